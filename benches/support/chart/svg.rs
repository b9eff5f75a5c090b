//! The few shapes that charts are made of.

use super::WIDTH;
use std::fmt::Write;

/// Of text, in pixels.
const FONT: f64 = 13.0;
/// Colours of text, axes and grid.
const INK: &str = "#1f2937";
const GRID: &str = "#e2e8f0";
const AXIS: &str = "#64748b";

/// Where the text stands to its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being drawn.
pub struct Svg {
    body: String,
}

impl Svg {
    /// With its title above everything.
    pub fn new(title: &str) -> Self {
        let mut svg = Self { body: String::new() };
        let bold = r#" font-weight="bold" font-size="15""#;
        svg.write_text(super::MARGIN, 24.0, Anchor::Start, title, bold);
        svg
    }

    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.write_text(x, y, anchor, text, "");
    }

    pub fn bold(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.write_text(x, y, anchor, text, r#" font-weight="bold""#);
    }

    fn write_text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str, more: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.push(&format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}"{more}>{text}</text>"#));
    }

    pub fn grid(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line(from, to, GRID, "");
    }

    pub fn axis(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line(from, to, AXIS, "");
    }

    /// A bound, or a range.
    pub fn mark(&mut self, from: (f64, f64), to: (f64, f64), dashed: bool) {
        self.line(from, to, INK, if dashed { r#" stroke-dasharray="5 4""# } else { "" });
    }

    fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, more: &str) {
        self.push(&format!(r#"<path d="M{x1:.1} {y1:.1} L{x2:.1} {y2:.1}" stroke="{colour}"{more}/>"#));
    }

    pub fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        self.push(&format!(r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#));
    }

    /// A line through all points, with a dot on each.
    pub fn curve(&mut self, points: &[(f64, f64)], colour: &str, dashed: bool) {
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dashes = if dashed { r#" stroke-dasharray="6 4""# } else { "" };
        let points_of = path.join(" ");
        self.push(&format!(
            r#"<polyline points="{points_of}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>"#
        ));
        // Hollow where the line is dashed, so that both are told apart without colours.
        let fill = if dashed { "#ffffff" } else { colour };
        for (x, y) in points {
            self.push(&format!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="3.5" fill="{fill}" stroke="{colour}" stroke-width="1.5"/>"#
            ));
        }
    }

    fn push(&mut self, element: &str) {
        self.body += element;
        self.body.push('\n');
    }

    /// The file.
    pub fn end(self, height: f64) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" width="{WIDTH}" height="{height:.0}" font-family="system-ui, sans-serif" font-size="{FONT}" fill="{INK}">"#
        );
        let _ = writeln!(out, r##"<rect width="{WIDTH}" height="{height:.0}" fill="#ffffff"/>"##);
        out + &self.body + "</svg>\n"
    }
}

/// About how wide a text is: letters of a sans serif are a little more than half as wide as high.
pub fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * FONT * 0.54
}
