//! A timeline: what ran when, as bars under one another.

use super::time::duration;
use std::fmt::Write;
use std::time::Duration;

/// Something that took time.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it is called.
    pub label: String,
    /// From the beginning of the timeline to its own.
    pub start: Duration,
    /// From the beginning of the timeline to its end; none: it is still under way.
    pub end: Option<Duration>,
    /// What it is.
    pub kind: Kind,
}

/// What a span is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work.
    Work,
    /// Work that came to nothing: how it ended.
    Failed(&'static str),
    /// Waiting, which is no work: what is said of it.
    Waits(String),
}

impl Span {
    fn took(&self, total: Duration) -> Duration {
        self.end.unwrap_or(total).saturating_sub(self.start)
    }
}

/// Draws spans over `total`, the bars `width` characters wide, and below them the elapsed time beside the sum of all.
pub fn timeline(spans: &[Span], total: Duration, width: usize) -> String {
    let labels = spans.iter().map(|span| span.label.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for span in spans {
        let end = span.end.unwrap_or(total);
        let took = duration(span.took(total));
        let note = match (&span.kind, span.end) {
            (Kind::Waits(words), _) => format!(", {words}"),
            (_, None) => " and going on".to_owned(),
            (Kind::Failed(how), Some(_)) => format!(" {how}"),
            (Kind::Work, Some(_)) => String::new(),
        };
        let pad = labels - span.label.chars().count();
        let _ = writeln!(text, "{}{} │{}│ {took}{note}", span.label, " ".repeat(pad), bar(span, end, total, width));
    }
    let works = |span: &&Span| !matches!(span.kind, Kind::Waits(_));
    let sum: Duration = spans.iter().filter(works).map(|span| span.took(total)).sum();
    let _ = writeln!(text, "{} elapsed, {} of work", duration(total), duration(sum));
    text
}

fn bar(span: &Span, end: Duration, total: Duration, width: usize) -> String {
    let total = total.max(Duration::from_micros(1)).as_secs_f64();
    let place = |at: Duration| ((at.as_secs_f64() / total * width as f64).round() as usize).min(width);
    // Whatever happened is seen: a bar is at least one character wide.
    let from = place(span.start).min(width.saturating_sub(1));
    let to = place(end).clamp(from + 1, width.max(from + 1));
    let fill = match span.kind {
        Kind::Work => '█',
        Kind::Failed(_) => '▒',
        Kind::Waits(_) => '·',
    };
    (0..width).map(|i| if (from..to).contains(&i) { fill } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(label: &str, start: u64, end: Option<u64>, kind: Kind) -> Span {
        let ms = Duration::from_millis;
        Span { label: label.to_owned(), start: ms(start), end: end.map(ms), kind }
    }

    #[test]
    fn bars_show_what_ran_beside_what() {
        let spans = [
            span("orders", 0, Some(500), Kind::Work),
            span("reviews", 0, Some(250), Kind::Failed("failed")),
            span("sum", 500, None, Kind::Work),
            span("answer", 750, None, Kind::Waits("waits for a worker of writer".to_owned())),
        ];
        let drawn = timeline(&spans, Duration::from_secs(1), 8);
        assert_eq!(
            drawn,
            "orders  │████    │ 500 ms\n\
             reviews │▒▒      │ 250 ms failed\n\
             sum     │    ████│ 500 ms and going on\n\
             answer  │      ··│ 250 ms, waits for a worker of writer\n\
             1.00 s elapsed, 1.25 s of work\n"
        );
    }

    #[test]
    fn no_bar_stands_outside_of_its_frame() {
        for (start, end) in [(0, 0), (999, 1_000), (1_000, 1_000), (1_000, 1_500), (2_000, 3_000), (0, 9_000)] {
            for kind in [Kind::Work, Kind::Waits(String::new())] {
                let bar =
                    bar(&span("n", start, Some(end), kind), Duration::from_millis(end), Duration::from_secs(1), 8);
                assert_eq!((bar.chars().count(), bar.trim().is_empty()), (8, false), "{start} to {end}: {bar:?}");
            }
        }
    }

    #[test]
    fn nothing_divides_by_zero() {
        let drawn = timeline(&[span("n", 0, Some(0), Kind::Work)], Duration::ZERO, 4);
        assert!(drawn.starts_with("n │█   │ 0 µs"), "{drawn}");
        assert!(timeline(&[span("n", 5, Some(9), Kind::Work)], Duration::from_millis(1), 0).contains("││"));
    }
}
