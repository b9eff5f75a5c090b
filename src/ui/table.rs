//! Tables for people.

use super::style::Paint;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ContentArrangement, Table};

/// A table without lines; on a terminal no wider than it, in a pipe as wide as it needs to be.
pub fn table(head: &[&str], paint: Paint) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if paint.is_on() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(head.iter().map(|word| Cell::new(word.to_uppercase())));
    table
}

/// The table as lines without spaces at their ends.
pub fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A cell with a state, coloured by how it went.
pub fn state(word: &str) -> Cell {
    let cell = Cell::new(word);
    match word {
        "completed" | "ready" | "ok" => cell.fg(Color::Green),
        "failed" | "cancelled" => cell.fg(Color::Red),
        _ => cell.fg(Color::Yellow),
    }
}
