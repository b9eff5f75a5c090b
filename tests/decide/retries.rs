//! Back-off and classification: tables for people to read, and what holds for every policy.

use crate::scenario::hold_text;
use orchestrator::core::classify::DEFAULT_TABLE;
use orchestrator::core::id::DispatchId;
use orchestrator::core::retry::{Factor, Jitter, RetryPolicy};
use proptest::prelude::*;
use std::fmt::Write;
use std::time::Duration;

fn attempt(run: u128, number: u32) -> DispatchId {
    format!("{run:032x}/node/{number}").parse().unwrap()
}

fn policy(base_delay_ms: u64, factor: f64, max_delay_ms: u64, jitter: Jitter) -> RetryPolicy {
    let exponential_base = Factor::try_from(factor).unwrap();
    RetryPolicy { max_retries: 10, base_delay_ms, exponential_base, max_delay_ms, jitter, max_elapsed_ms: None }
}

#[test]
fn the_back_off_table() {
    let mut text = "base, factor, max, jitter: the delay in ms after attempts 1 to 8\n".to_owned();
    for (base, factor, max) in [(1_000, 2.0, 60_000), (100, 1.5, 60_000), (500, 1.0, 60_000), (50, 10.0, 3_600_000)] {
        for jitter in Jitter::ALL {
            let policy = policy(base, factor, max, jitter);
            let delays = (1..=8).map(|number| policy.delay(&attempt(7, number), None).as_millis().to_string());
            let delays: Vec<_> = delays.collect();
            let _ = writeln!(text, "{base:5} {factor:4} {max:7} {:5} {}", jitter.as_str(), delays.join(" "));
        }
    }
    hold_text("back_off", &text);
}

#[test]
fn the_classification_table() {
    let line = |(code, class, what): &(&str, orchestrator::core::failure::FailureClass, &str)| {
        format!("{code:26} {:14} {what}\n", class.as_str())
    };
    hold_text("classification", &DEFAULT_TABLE.iter().map(line).collect::<String>());
}

prop_compose! {
    fn any_policy()(
        base in 0..100_000_u64,
        thousandths in 1_000..=1_000_000_u32,
        max in 0..100_000_000_u64,
        jitter in proptest::sample::select(&Jitter::ALL[..]),
    ) -> RetryPolicy {
        policy(base, f64::from(thousandths) / 1_000.0, max, jitter)
    }
}

proptest! {
    #[test]
    fn back_off_grows_to_its_limit(policy in any_policy()) {
        let delays: Vec<Duration> = (1..=100).map(|number| policy.backoff(number)).collect();
        prop_assert!(delays.is_sorted());
        prop_assert!(delays.iter().all(|delay| *delay <= Duration::from_millis(policy.max_delay_ms)));
        prop_assert_eq!(delays[0], Duration::from_millis(policy.base_delay_ms.min(policy.max_delay_ms)));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_depends_on_the_attempt_alone(policy in any_policy(), run: u128, number in 1..50_u32) {
        let (backoff, delay) = (policy.backoff(number), policy.delay(&attempt(run, number), None));
        let least = match policy.jitter {
            Jitter::None => backoff,
            Jitter::Full => Duration::ZERO,
            Jitter::Equal => Duration::from_millis(u64::try_from(backoff.as_millis()).unwrap() / 2),
        };
        prop_assert!((least..=backoff).contains(&delay));
        prop_assert_eq!(delay, policy.delay(&attempt(run, number), None));
    }

    #[test]
    fn what_the_source_asks_for_wins_when_it_is_longer(policy in any_policy(), run: u128, seconds in 0..500_000_u64) {
        let asked = Duration::from_secs(seconds);
        let without = policy.delay(&attempt(run, 1), None);
        prop_assert_eq!(policy.delay(&attempt(run, 1), Some(asked)), without.max(asked));
    }

    #[test]
    fn no_number_is_too_large_for_back_off(base: u64, max: u64, thousandths in 1_000..=1_000_000_u32, number in 1..=u32::MAX) {
        let policy = policy(base, f64::from(thousandths) / 1_000.0, max, Jitter::Equal);
        let (delay, next) = (policy.backoff(number), policy.backoff(number.saturating_add(1)));
        prop_assert!(delay <= next && next <= Duration::from_millis(max));
        let week = Duration::from_secs(7 * 24 * 3_600);
        let asked = policy.delay(&attempt(7, number), Some(Duration::MAX));
        prop_assert!((week..=week.max(delay)).contains(&asked), "nobody is waited for longer than a week");
    }

    #[test]
    fn jitter_spreads_what_failed_together(run: u128, jitter in proptest::sample::select(&[Jitter::Full, Jitter::Equal][..])) {
        let policy = policy(60_000, 1.0, 60_000, jitter);
        let delays = (0..200).map(|i| policy.delay(&attempt(run.wrapping_add(i), 1), None).as_millis());
        let least = if jitter == Jitter::Equal { 30_000 } else { 0 };
        // Of 200 in ten equal parts: that one stays empty has a chance of 1 in 10^8.
        let parts: std::collections::BTreeSet<u128> = delays.map(|delay| (delay - least) * 10 / (60_001 - least)).collect();
        prop_assert_eq!(parts.len(), 10);
    }
}
