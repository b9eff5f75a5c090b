//! Boxes in a row, and the lines between two rows.

/// Columns between two boxes.
const GAP: usize = 2;

/// Boxes side by side, each with its lines of text, all of the same height.
pub(super) struct Row {
    boxes: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl Row {
    pub(super) fn of(boxes: Vec<Vec<String>>) -> Self {
        let inner = |lines: &Vec<String>| lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        // Odd, so that each has a middle.
        let widths = boxes.iter().map(|lines| (inner(lines) + 4) | 1).collect();
        Self { boxes, widths }
    }

    pub(super) fn width(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * self.widths.len().saturating_sub(1)
    }

    /// The column of the middle of each box.
    pub(super) fn centers(&self) -> Vec<usize> {
        let mut left = 0;
        let center = |width: &usize| {
            let center = left + width / 2;
            left += width + GAP;
            center
        };
        self.widths.iter().map(center).collect()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let height = self.boxes.iter().map(Vec::len).max().unwrap_or(0);
        let line = |make: &dyn Fn(usize) -> String| -> String {
            (0..self.boxes.len()).map(make).collect::<Vec<_>>().join(&" ".repeat(GAP))
        };
        let mut lines = vec![line(&|i| format!("┌{}┐", "─".repeat(self.widths[i] - 2)))];
        for at in 0..height {
            lines.push(line(&|i| {
                let text = self.boxes[i].get(at).map_or("", String::as_str);
                format!("│ {text}{} │", " ".repeat(self.widths[i] - 4 - text.chars().count()))
            }));
        }
        lines.push(line(&|i| format!("└{}┘", "─".repeat(self.widths[i] - 2))));
        lines
    }
}

/// The lines between two rows: a bus from all boxes above to all below, or nothing but space.
pub(super) fn connector(above: &[usize], below: &[usize], joined: bool) -> Vec<String> {
    let (Some(first), Some(last)) = (above.iter().chain(below).min(), above.iter().chain(below).max()) else {
        return Vec::new();
    };
    if above.is_empty() {
        return Vec::new();
    }
    if !joined {
        return vec![String::new()];
    }
    let bus: String = (0..=*last)
        .map(|column| match (column < *first, above.contains(&column), below.contains(&column)) {
            (true, _, _) => ' ',
            (false, up, down) => corner(up, down, column > *first, column < *last),
        })
        .collect();
    let arrows = (0..=*last).map(|column| if below.contains(&column) { '▼' } else { ' ' }).collect();
    vec![bus, arrows]
}

/// The piece of line that leads the ways it is told.
fn corner(up: bool, down: bool, left: bool, right: bool) -> char {
    match (up, down, left, right) {
        (true, true, true, true) => '┼',
        (true, true, true, false) => '┤',
        (true, true, false, true) => '├',
        (true, true, false, false) => '│',
        (true, false, true, true) => '┴',
        (true, false, true, false) => '┘',
        (true, false, false, true) => '└',
        (false, true, true, true) => '┬',
        (false, true, true, false) => '┐',
        (false, true, false, true) => '┌',
        (true, false, false, false) | (false, true, false, false) => '│',
        (false, false, _, _) => '─',
    }
}
