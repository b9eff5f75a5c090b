//! A table for people, its numbers aligned on the right.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// The first column is words, and so are those with a cell that does not begin with a digit.
pub fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let begins_with_digit =
        |cell: Option<&String>| cell.is_none_or(|cell| cell.starts_with(|c: char| c.is_ascii_digit()));
    let is_number: Vec<bool> =
        (0..head.len()).map(|column| column > 0 && rows.iter().all(|row| begins_with_digit(row.get(column)))).collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.force_no_tty();
    table.set_header(head);
    table.add_rows(rows);
    for (column, is_number) in table.column_iter_mut().zip(is_number) {
        column.set_cell_alignment(if is_number { CellAlignment::Right } else { CellAlignment::Left });
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect::<String>() + "\n"
}
