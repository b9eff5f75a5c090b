//! The one table: what was tried, what came of it, and whether that is what it should be.

use std::fmt;

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    /// A figure without a goal.
    pub fn figure(&mut self, limit: impl Into<String>, measured: impl Into<String>) {
        self.row(limit, measured, String::new(), String::new());
    }

    /// A figure that may be at most so much.
    pub fn at_most(&mut self, limit: impl Into<String>, measured: impl Into<String>, value: f64, bound: f64) {
        let met = if value <= bound { "met" } else { "**missed**" };
        self.row(limit, measured, format!("≤ {bound}"), met.into());
    }

    /// What holds or not.
    pub fn holds(&mut self, limit: impl Into<String>, measured: impl Into<String>, holds: bool) {
        self.row(limit, measured, "all".into(), if holds { "met" } else { "**missed**" }.into());
    }

    fn row(&mut self, limit: impl Into<String>, measured: impl Into<String>, goal: String, met: String) {
        let (limit, measured) = (limit.into(), measured.into());
        super::say(&format!("{limit}: {measured} {goal} {met}"));
        self.rows.push([limit, measured, goal, met]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "| limit | measured | goal | |\n|---|---|---|---|")?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}
