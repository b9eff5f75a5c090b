//! Horizontal bars, stacked from parts, in columns that have rows in common: each column has a scale of its own.

use super::svg::{Anchor, Svg, width_of};
use super::{MARGIN, WIDTH, legend_places, number, tick};

const ROW: f64 = 26.0;
const BAR: f64 = 17.0;
/// Between two groups of rows: the axis of the upper one, and what its numbers are.
const BELOW_GROUP: f64 = 52.0;
const GAP: f64 = 22.0;

/// A part of every bar.
pub struct Part {
    pub name: &'static str,
    pub colour: &'static str,
}

/// Rows that have a scale in common.
pub struct Group {
    pub rows: Vec<String>,
    pub columns: Vec<Column>,
}

/// One scale and a bar for each row.
pub struct Column {
    /// What the numbers are, with their unit.
    pub label: String,
    pub bars: Vec<Bar>,
    /// A bound, and what it is.
    pub bound: Option<(f64, String)>,
}

/// The parts of a bar, and between what its sum lay.
pub struct Bar {
    /// As many as the chart has parts, or one without name.
    pub parts: Vec<f64>,
    pub range: Option<(f64, f64)>,
}

impl Bar {
    fn sum(&self) -> f64 {
        self.parts.iter().sum()
    }

    fn most(&self) -> f64 {
        self.range.map_or(self.sum(), |(_, most)| most.max(self.sum()))
    }
}

/// A picture.
pub struct Chart<'a> {
    pub title: &'a str,
    pub parts: &'a [Part],
    pub groups: Vec<Group>,
}

/// Of bars that have one part.
const PLAIN: &str = "#94a3b8";

impl Chart<'_> {
    /// The file.
    pub fn draw(&self) -> String {
        let mut svg = Svg::new(self.title);
        let names = self.groups.iter().flat_map(|group| &group.rows);
        let left = MARGIN + names.map(|name| width_of(name)).fold(0.0, f64::max) + 10.0;
        let mut top = self.draw_legend(&mut svg, 50.0);
        for group in &self.groups {
            // A bound is named above its line.
            if group.columns.iter().any(|column| column.bound.is_some()) {
                top += 14.0;
            }
            let bottom = top + group.rows.len() as f64 * ROW + 6.0;
            for (number, row) in group.rows.iter().enumerate() {
                let middle = top + (number as f64 + 0.5) * ROW + 3.0;
                svg.text(left - 10.0, middle + 4.5, Anchor::End, row);
            }
            let count = group.columns.len().max(1) as f64;
            let width = (WIDTH - left - MARGIN - GAP * (count - 1.0)) / count;
            for (number, column) in group.columns.iter().enumerate() {
                let left = left + number as f64 * (width + GAP);
                self.draw_column(&mut svg, column, (left, width), (top, bottom));
            }
            top = bottom + BELOW_GROUP;
        }
        svg.end(top - 4.0)
    }

    fn draw_column(&self, svg: &mut Svg, column: &Column, (left, width): (f64, f64), (top, bottom): (f64, f64)) {
        let bound = column.bound.as_ref().map_or(0.0, |(bound, _)| *bound);
        let most = column.bars.iter().map(Bar::most).fold(bound, f64::max).max(f64::MIN_POSITIVE);
        // The number behind the longest bar needs its place, too.
        let scale = (width - 58.0) / most;
        let step = step(most);
        for value in (0..).map(|number| f64::from(number) * step).take_while(|value| *value <= most * 1.001) {
            let x = left + value * scale;
            svg.grid((x, top), (x, bottom));
            svg.text(x, bottom + 17.0, Anchor::Middle, &tick(value));
        }
        svg.text(left + (width - 58.0) / 2.0, bottom + 36.0, Anchor::Middle, &column.label);
        for (number, bar) in column.bars.iter().enumerate() {
            self.draw_bar(svg, bar, (left, top + (number as f64 + 0.5) * ROW + 3.0), scale, left + bound * scale);
        }
        svg.axis((left, top), (left, bottom));
        svg.axis((left, bottom), (left + width, bottom));
        if let Some((bound, name)) = &column.bound {
            svg.mark((left + bound * scale, top), (left + bound * scale, bottom), true);
            svg.text(left + bound * scale, top - 4.0, Anchor::Middle, name);
        }
    }

    /// `bound` is where its line stands, which no number may cross.
    fn draw_bar(&self, svg: &mut Svg, bar: &Bar, (left, middle): (f64, f64), scale: f64, bound: f64) {
        let mut x = left;
        for (number, part) in bar.parts.iter().enumerate() {
            let colour = self.parts.get(number).filter(|_| bar.parts.len() > 1).map_or(PLAIN, |part| part.colour);
            svg.bar((x, middle - BAR / 2.0), (part * scale, BAR), colour);
            x += part * scale;
        }
        if let Some((least, most)) = bar.range {
            let (from, to) = (left + least * scale, left + most * scale);
            svg.mark((from, middle), (to, middle), false);
            [from, to].iter().for_each(|x| svg.mark((*x, middle - 4.0), (*x, middle + 4.0), false));
        }
        let (end, text) = (left + bar.most() * scale, number(bar.sum()));
        let crosses = end <= bound && bound <= end + width_of(&text) + 10.0;
        svg.text(if crosses { bound } else { end } + 6.0, middle + 4.5, Anchor::Start, &text);
    }

    /// Of the parts; where it ends.
    fn draw_legend(&self, svg: &mut Svg, top: f64) -> f64 {
        let (places, end) = legend_places(self.parts.iter().map(|part| part.name), top);
        for (part, (x, y)) in self.parts.iter().zip(places) {
            svg.bar((x + 14.0, y - 11.0), (14.0, 13.0), part.colour);
            svg.text(x + 36.0, y, Anchor::Start, part.name);
        }
        end
    }
}

/// A round distance between the marks of an axis, some five of them.
fn step(most: f64) -> f64 {
    let rough = most / 5.0;
    let decade = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|step| step * decade).into_iter().find(|step| *step >= rough).unwrap_or(rough)
}
