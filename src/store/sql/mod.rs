//! What the stores on SQL share: questions, rows back to types, the state column, faults, and the runtime on which
//! their blocking methods wait. The files of `both` are modules of each store: the same text for both drivers, whose
//! types have no trait in common that would do.

pub mod blocking;
pub mod cells;
pub mod fault;
pub mod flat;
pub mod letters;
pub mod micros;
pub mod read;
pub mod state;
pub mod statements;
pub mod text;

/// No statement carries more bytes of rows than this: Postgres takes messages of up to 1 GB, but holds a statement's
/// parameters several times in memory while it works on them.
pub const MAX_STATEMENT_BYTES: usize = 16 << 20;

/// Cuts rows into stretches of at most [`MAX_STATEMENT_BYTES`] each (but always one row).
pub fn stretches<R>(rows: &[R], weight: impl Fn(&R) -> usize) -> Vec<&[R]> {
    let (mut stretches, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (index, row) in rows.iter().enumerate() {
        let more = weight(row);
        if index > start && bytes + more > MAX_STATEMENT_BYTES {
            stretches.push(&rows[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += more;
    }
    if start < rows.len() {
        stretches.push(&rows[start..]);
    }
    stretches
}

/// A number for a column of 64 signed bits. No counter of ours comes near the end of its range.
pub fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_stretch_and_no_stretch_is_too_heavy() {
        let rows: Vec<usize> = vec![1, MAX_STATEMENT_BYTES, 5, MAX_STATEMENT_BYTES * 2, 7, 7];
        let stretches = stretches(&rows, |row| *row);
        assert_eq!(stretches.concat(), rows);
        for stretch in stretches {
            assert!(stretch.len() == 1 || stretch.iter().sum::<usize>() <= MAX_STATEMENT_BYTES, "{stretch:?}");
        }
    }
}
