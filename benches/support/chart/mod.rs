//! Pictures of what was measured, as SVG for a page of 800 pixels: [`lines`] over a logarithmic plane, [`bars`] side by
//! side; both are drawn with [`svg`].

pub mod bars;
pub mod lines;
mod svg;

/// The width of every picture, in pixels.
const WIDTH: f64 = 800.0;
/// Between a picture's edge and what is drawn.
const MARGIN: f64 = 14.0;
/// From one row of a legend to the next.
const LEGEND_ROW: f64 = 20.0;

/// `12,345`, `83.4`, `1.25`: three digits that count, or all before the point.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    grouped(&format!("{value:.decimals$}"))
}

/// A label of an axis: no zeros behind the point, and none of what adding up fractions leaves there.
fn tick(value: f64) -> String {
    let text = format!("{value:.6}");
    grouped(text.trim_end_matches('0').trim_end_matches('.'))
}

/// With a comma before every three digits.
fn grouped(number: &str) -> String {
    let (whole, rest) =
        number.split_once('.').map_or((number, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + &rest
}

/// Where the entries of a legend stand, row by row from `top`, and where it ends.
fn legend_places<'a>(names: impl Iterator<Item = &'a str>, top: f64) -> (Vec<(f64, f64)>, f64) {
    let (mut x, mut y, mut places) = (MARGIN, top, Vec::new());
    for name in names {
        let width = 36.0 + svg::width_of(name) + 18.0;
        if x + width > WIDTH && x > MARGIN {
            (x, y) = (MARGIN, y + LEGEND_ROW);
        }
        places.push((x, y));
        x += width;
    }
    (places, y + LEGEND_ROW)
}
