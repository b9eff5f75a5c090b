//! Lines in a terminal that are drawn anew in place.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a second: smooth enough, and nothing that a remote terminal could not follow.
const DRAWS_PER_SECOND: u8 = 20;

/// Lines that stand at the lower end of the standard output.
pub struct Screen {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Screen {
    /// Draws to the standard output.
    pub fn on_stdout() -> Self {
        let target = ProgressDrawTarget::stdout_with_hz(DRAWS_PER_SECOND);
        Self { all: MultiProgress::with_draw_target(target), lines: Vec::new() }
    }

    /// Shows these lines in place of those before.
    pub fn show(&mut self, lines: &[String]) {
        while self.lines.len() < lines.len() {
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            self.lines.push(self.all.add(ProgressBar::no_length().with_style(style)));
        }
        for (bar, line) in self.lines.iter().zip(lines) {
            bar.set_message(line.clone());
        }
        // A message alone is drawn when the bar moves.
        self.lines.iter().for_each(ProgressBar::tick);
    }

    /// Takes the lines away, so that what is printed next stands in their place.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub fn clear(&self) -> std::io::Result<()> {
        self.all.clear()
    }
}
