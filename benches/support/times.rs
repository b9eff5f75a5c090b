//! How long things took.

use hdrhistogram::Histogram;
use std::time::Duration;

/// How long each of many took, and over which time they were counted.
#[derive(Clone)]
pub struct Times {
    pub micros: Histogram<u64>,
    pub window: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let micros = Histogram::new_with_bounds(1, 600_000_000, 3).expect("the bounds are legal");
        Self { micros, window: Duration::ZERO }
    }
}

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.micros.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub fn merge(&mut self, other: &Self) {
        self.micros += &other.micros;
        self.window += other.window;
    }

    pub fn count(&self) -> u64 {
        self.micros.len()
    }

    pub fn per_second(&self) -> f64 {
        if self.window.is_zero() { 0.0 } else { self.micros.len() as f64 / self.window.as_secs_f64() }
    }

    pub fn p50_ms(&self) -> f64 {
        self.micros.value_at_quantile(0.5) as f64 / 1_000.0
    }

    pub fn p99_ms(&self) -> f64 {
        self.micros.value_at_quantile(0.99) as f64 / 1_000.0
    }
}
