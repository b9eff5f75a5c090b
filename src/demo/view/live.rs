//! The board as it looks at one moment: a row for each node, a column for each workflow.

use super::board::{Board, BoardRun, NodeState};
use super::{column, duration};
use crate::core::status::Status;
use crate::core::time::Timestamp;
use crate::ui::style::Paint;

/// A terminal with fewer columns than this gets lines instead.
pub const LEAST_WIDTH: usize = 60;
/// Wider columns would only move the workflows apart.
const WIDEST_COLUMN: usize = 26;
const SPINNER: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
/// How long each picture of the spinner stands, in milliseconds.
const BEAT: u128 = 80;

/// The lines to be shown at `now`, each at most `width` characters wide. There are always as many for a definition.
pub fn frame(board: &Board, now: Timestamp, width: usize, paint: Paint) -> Vec<String> {
    let labels = board.nodes().map(|node| node.id.as_str().len()).max().unwrap_or(0) + 2;
    let cell = (width.saturating_sub(labels + 2) / board.runs.len().max(1)).min(WIDEST_COLUMN);
    let row = |label: &str, cells: Vec<(String, Ink)>| {
        let cells = cells.into_iter().map(|(text, ink)| ink.paint(paint, &column(&text, cell)));
        format!("  {}{}", paint.dim(&column(label, labels)), cells.collect::<String>()).trim_end().to_owned()
    };
    let mut lines = vec![
        row("", board.runs.iter().map(|run| (head(run, cell), Ink::Strong)).collect()),
        row("", board.runs.iter().map(state).collect()),
    ];
    let rows = board.runs.iter().map(|run| run.nodes.len()).max().unwrap_or(0);
    for i in 0..rows {
        let label = board.runs.iter().find_map(|run| run.nodes.get(i)).map_or("", |node| node.id.as_str());
        let cells = board.runs.iter().map(|run| cell_of(run, i, now));
        lines.push(row(label, cells.collect()));
    }
    lines.push(foot(board, now, paint));
    lines
}

/// How a cell is coloured.
#[derive(Clone, Copy, Default)]
enum Ink {
    #[default]
    Dim,
    Busy,
    Good,
    Bad,
    Strong,
}

impl Ink {
    fn paint(self, paint: Paint, text: &str) -> String {
        match self {
            Self::Dim => paint.dim(text),
            Self::Busy => paint.busy(text),
            Self::Good => paint.good(text),
            Self::Bad => paint.bad(text),
            Self::Strong => paint.strong(text),
        }
    }
}

/// The id, with a blank before the next column also where it has to be cut.
fn head(run: &BoardRun, cell: usize) -> String {
    crate::ui::style::short(run.id.as_str(), cell.saturating_sub(1))
}

fn state(run: &BoardRun) -> (String, Ink) {
    match run.status {
        None => ("asked".to_owned(), Ink::Dim),
        Some(Status::Completed) => ("completed".to_owned(), Ink::Good),
        Some(status @ (Status::Failed | Status::Cancelled)) => (status.to_string(), Ink::Bad),
        Some(status) => (status.to_string(), Ink::Busy),
    }
}

fn cell_of(run: &BoardRun, row: usize, now: Timestamp) -> (String, Ink) {
    match run.nodes.get(row).map(|node| &node.state) {
        None => Default::default(),
        Some(NodeState::Waiting) if run.ended_at.is_some() => ("– not run".to_owned(), Ink::Dim),
        Some(state) => at(state, now),
    }
}

fn at(state: &NodeState, now: Timestamp) -> (String, Ink) {
    match state {
        NodeState::Waiting => ("· waiting".to_owned(), Ink::Dim),
        NodeState::Scheduled { .. } => ("○ scheduled".to_owned(), Ink::Busy),
        NodeState::Running { since } => {
            let elapsed = now.since(*since);
            let picture = SPINNER[(elapsed.as_millis() / BEAT) as usize % SPINNER.len()];
            (format!("{picture} {:.1} s", elapsed.as_secs_f64()), Ink::Busy)
        }
        NodeState::Ended { failure: Some(_), .. } => ("✗ failed".to_owned(), Ink::Bad),
        NodeState::Ended { since, at, failure: None } => (format!("✓ {}", duration(at.since(*since))), Ink::Good),
    }
}

fn foot(board: &Board, now: Timestamp, paint: Paint) -> String {
    let until = board.ended_at().unwrap_or(now);
    let elapsed = board.began_at().map_or(0.0, |began| until.since(began).as_secs_f64());
    let (open, ended, all) = (board.open(), board.ended(), board.nodes().count());
    let now = match open {
        0 => String::new(),
        1 => " · 1 node at work".to_owned(),
        _ => format!(" · {open} nodes at work, side by side"),
    };
    paint.dim(&format!("  {elapsed:.1} s · {ended} of {all} nodes done{now}"))
}
