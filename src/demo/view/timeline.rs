//! The timeline: a bar for each node of each workflow, all on one time axis.

use super::board::{Board, BoardNode, BoardRun, NodeState};
use super::duration;
use crate::core::time::Timestamp;
use crate::ui::style::Paint;
use std::time::Duration;

/// The room for a duration behind the bars, e.g. ` 389 ms`.
const DURATION: usize = 9;
/// The narrowest bars that still show an order.
const LEAST_BARS: usize = 20;
/// Ticks of the axis stand at least so many characters apart.
const LEAST_TICK: usize = 8;
/// Distances of ticks, in milliseconds.
const TICKS: [u64; 10] = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000];

/// Draws the timeline of workflows that have ended, at most `width` characters wide.
pub fn timeline(board: &Board, width: usize, paint: Paint) -> String {
    let (Some(began), Some(took)) = (board.began_at(), board.took()) else { return String::new() };
    let labels = board.nodes().map(|node| node.id.as_str().len()).max().unwrap_or(0);
    let bars = width.saturating_sub(labels + 4 + DURATION).max(LEAST_BARS);
    let scale = Scale { began, total: took.max(Duration::from_millis(1)), width: bars };
    let mut text = String::new();
    for (i, run) in board.runs.iter().enumerate() {
        text.push_str(&heading(run, paint));
        for node in &run.nodes {
            let bar = colour(paint, i, node, &scale.bar(node));
            let took = node.took().map(duration).unwrap_or_default();
            let label = paint.dim(&format!("{:labels$}", node.id.as_str()));
            text.push_str(format!("  {label}  {bar}{}", paint.dim(&format!("{took:>DURATION$}"))).trim_end());
            text.push('\n');
        }
    }
    let indent = " ".repeat(labels + 4);
    for line in scale.axis() {
        text.push_str(&paint.dim(format!("{indent}{line}").trim_end()));
        text.push('\n');
    }
    text
}

/// Work beside elapsed time: what running side by side is worth.
pub fn totals(board: &Board, paint: Paint) -> String {
    let (Some(took), work) = (board.took(), board.work()) else { return String::new() };
    let sum = format!(
        "{} workflows, {} nodes: {:.1} s of work in {:.1} s",
        board.runs.len(),
        board.ended(),
        work.as_secs_f64(),
        took.as_secs_f64()
    );
    format!("{}; up to {} nodes side by side.", paint.strong(&sum), board.most_at_once())
}

fn heading(run: &BoardRun, paint: Paint) -> String {
    let took = run.started_at.zip(run.ended_at).map(|(from, to)| duration(to.since(from))).unwrap_or_default();
    format!("{}  {}\n", paint.strong(run.id.as_str()), paint.dim(&took))
}

/// Each workflow has its colour; what failed is red.
fn colour(paint: Paint, run: usize, node: &BoardNode, bar: &str) -> String {
    match (&node.state, run % 3) {
        (NodeState::Ended { failure: Some(_), .. }, _) => paint.bad(bar),
        (_, 0) => paint.name(bar),
        (_, 1) => paint.good(bar),
        _ => paint.busy(bar),
    }
}

/// From time to characters.
struct Scale {
    began: Timestamp,
    total: Duration,
    width: usize,
}

impl Scale {
    fn place(&self, at: Duration) -> usize {
        let part = at.as_secs_f64() / self.total.as_secs_f64();
        ((part * self.width as f64).round() as usize).min(self.width)
    }

    fn bar(&self, node: &BoardNode) -> String {
        let Some((from, to)) = node.state.span() else { return " ".repeat(self.width) };
        // Whatever has happened is seen: a bar has at least one character.
        let from = self.place(from.since(self.began)).min(self.width.saturating_sub(1));
        let to = self.place(to.since(self.began)).max(from + 1);
        let fill = if matches!(node.state, NodeState::Ended { failure: Some(_), .. }) { "▒" } else { "█" };
        format!("{}{}{}", " ".repeat(from), fill.repeat(to - from), " ".repeat(self.width.saturating_sub(to)))
    }

    /// A line of marks, and a line of times.
    fn axis(&self) -> [String; 2] {
        let far_enough = |tick: &u64| self.place(Duration::from_millis(*tick)) >= LEAST_TICK;
        let tick = TICKS.into_iter().find(far_enough).map_or(self.total, Duration::from_millis);
        let (mut marks, mut times) = (String::new(), String::new());
        let mut at = Duration::ZERO;
        while at <= self.total {
            let place = self.place(at);
            let fill = place.saturating_sub(marks.chars().count());
            marks.push_str(&"─".repeat(fill));
            marks.push(if place == 0 { '└' } else { '┴' });
            times.push_str(&" ".repeat(place.saturating_sub(times.chars().count())));
            times.push_str(&format!("{:.1} s", at.as_secs_f64()));
            at += tick;
        }
        marks.push_str(&"─".repeat(self.width.saturating_sub(marks.chars().count())));
        [marks, times]
    }
}
