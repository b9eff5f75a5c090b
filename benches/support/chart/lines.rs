//! Curves over a plane with two logarithmic axes, in panels side by side that share their scales.

use super::svg::{Anchor, Svg};
use super::{LEGEND_ROW, MARGIN, WIDTH, legend_places, tick};

/// The plane of a panel.
const HEIGHT: f64 = 330.0;
const TOP: f64 = 70.0;
/// What the labels of the vertical axis take, on the left of the first panel.
const LABELS: f64 = 74.0;
const GAP: f64 = 26.0;

/// A curve.
pub struct Curve {
    pub name: String,
    pub colour: &'static str,
    pub dashed: bool,
    pub points: Vec<(f64, f64)>,
}

/// Curves that belong together.
pub struct Panel {
    pub title: String,
    pub curves: Vec<Curve>,
}

/// A picture; `x_ticks` are the places of the horizontal axis that are labelled.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    pub x_ticks: &'a [f64],
    pub panels: Vec<Panel>,
}

/// From values to pixels.
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    length: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        self.start + (value.ln() - self.from.ln()) / (self.to.ln() - self.from.ln()) * self.length
    }
}

impl Chart<'_> {
    /// The file.
    pub fn draw(&self) -> String {
        let mut svg = Svg::new(self.title);
        let y_ticks = self.y_ticks();
        let (bottom, panels) = (TOP + HEIGHT, self.panels.len().max(1) as f64);
        let width = (WIDTH - LABELS - MARGIN - GAP * (panels - 1.0)) / panels;
        let (Some(least), Some(most)) = (y_ticks.first(), y_ticks.last()) else { return svg.end(bottom) };
        let y = Scale { from: *least, to: *most, start: bottom, length: -HEIGHT };
        for value in &y_ticks {
            svg.text(LABELS - 8.0, y.at(*value) + 4.5, Anchor::End, &tick(*value));
        }
        svg.text(LABELS - 8.0, TOP - 14.0, Anchor::End, self.y_label);
        for (number, panel) in self.panels.iter().enumerate() {
            let left = LABELS + number as f64 * (width + GAP);
            self.draw_panel(&mut svg, panel, (left, width), &y, &y_ticks);
        }
        svg.text(LABELS + (WIDTH - LABELS - MARGIN) / 2.0, bottom + 42.0, Anchor::Middle, self.x_label);
        let end = self.draw_legend(&mut svg, bottom + 42.0 + LEGEND_ROW * 1.3);
        svg.end(end)
    }

    fn draw_panel(&self, svg: &mut Svg, panel: &Panel, (left, width): (f64, f64), y: &Scale, y_ticks: &[f64]) {
        let (Some(first), Some(last)) = (self.x_ticks.first(), self.x_ticks.last()) else { return };
        // A little room beside the first and the last dots.
        let x = Scale { from: *first, to: *last, start: left + 12.0, length: width - 24.0 };
        let bottom = TOP + HEIGHT;
        svg.bold(left + width / 2.0, TOP - 14.0, Anchor::Middle, &panel.title);
        for value in y_ticks {
            svg.grid((left, y.at(*value)), (left + width, y.at(*value)));
        }
        for value in self.x_ticks {
            svg.grid((x.at(*value), TOP), (x.at(*value), bottom));
            svg.text(x.at(*value), bottom + 18.0, Anchor::Middle, &tick(*value));
        }
        svg.axis((left, bottom), (left + width, bottom));
        svg.axis((left, TOP), (left, bottom));
        for curve in &panel.curves {
            let points: Vec<_> = curve.points.iter().map(|point| (x.at(point.0), y.at(point.1))).collect();
            svg.curve(&points, curve.colour, curve.dashed);
        }
    }

    /// Each curve once, though it is in every panel.
    fn draw_legend(&self, svg: &mut Svg, top: f64) -> f64 {
        let mut curves: Vec<&Curve> = Vec::new();
        for curve in self.panels.iter().flat_map(|panel| &panel.curves) {
            if !curves.iter().any(|known| known.name == curve.name) {
                curves.push(curve);
            }
        }
        let (places, end) = legend_places(curves.iter().map(|curve| curve.name.as_str()), top);
        for (curve, (x, y)) in curves.iter().zip(places) {
            let sample = if curve.points.len() > 1 {
                vec![(x, y - 4.5), (x + 28.0, y - 4.5)]
            } else {
                vec![(x + 14.0, y - 4.5)]
            };
            svg.curve(&sample, curve.colour, curve.dashed);
            svg.text(x + 36.0, y, Anchor::Start, &curve.name);
        }
        end
    }

    /// 1, 2 and 5 of every decade, from below the least value to above the most.
    fn y_ticks(&self) -> Vec<f64> {
        let curves = self.panels.iter().flat_map(|panel| &panel.curves);
        let values: Vec<f64> = curves.flat_map(|curve| curve.points.iter().map(|point| point.1)).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        let steps: Vec<f64> = (-4..9).flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * decimal(decade))).collect();
        let first = steps.iter().rposition(|step| *step <= least).unwrap_or(0);
        let last = steps.iter().position(|step| *step >= most).unwrap_or(steps.len() - 1);
        steps.get(first..=last).map(<[f64]>::to_vec).unwrap_or_default()
    }
}

/// A power of ten, as near as its name: 0.01 and not 0.010000000000000002.
fn decimal(decade: i32) -> f64 {
    format!("1e{decade}").parse().unwrap_or(1.0)
}
