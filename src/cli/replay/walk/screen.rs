//! The terminal: taken over while a walk lasts, and given back however it ends.

use crate::shutdown::Stop;
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, poll, read};
use crossterm::style::Print;
use crossterm::terminal::{
    Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode, size,
};
use crossterm::{execute, queue};
use std::io::{self, Write, stdout};
use std::time::Duration;

/// How long one wait for a key lasts: a signal that ends the process is heard in between.
const WAIT: Duration = Duration::from_millis(100);

/// A terminal in raw mode, on its other screen.
pub(super) struct Screen {
    /// Set by SIGTERM, and by SIGINT from outside; Ctrl-C is a key here.
    stop: Stop,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn open() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // What a panic says is to be read.
            give_back();
            before(panic);
        }));
        let stop = Stop::new();
        stop.listen()?;
        enable_raw_mode()?;
        // From here on it is given back.
        let screen = Self { stop };
        execute!(stdout(), EnterAlternateScreen, DisableLineWrap, Hide)?;
        Ok(screen)
    }

    /// Shows a text from one of its lines on, as far as there is room, above the last line. The line that it began with.
    pub(super) fn draw(&mut self, text: &str, last_line: &str, from: usize) -> io::Result<usize> {
        let (_, height) = size()?;
        let room = usize::from(height.saturating_sub(2)).max(1);
        let lines: Vec<&str> = text.lines().collect();
        let from = from.min(lines.len().saturating_sub(room));
        let mut out = stdout().lock();
        queue!(out, MoveTo(0, 0), Clear(ClearType::All))?;
        for line in lines.iter().skip(from).take(room) {
            queue!(out, Print(line), Print("\r\n"))?;
        }
        queue!(out, MoveTo(0, height.saturating_sub(1)), Print(last_line))?;
        out.flush()?;
        Ok(from)
    }

    /// The next key that is pressed, or Escape once the process is asked to end; none: there was none for a while, or the terminal has another size.
    pub(super) fn key(&mut self) -> io::Result<Option<KeyEvent>> {
        while !poll(WAIT)? {
            if self.stop.is_set() {
                return Ok(Some(KeyEvent::from(KeyCode::Esc)));
            }
        }
        match read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => Ok(Some(key)),
            _ => Ok(None),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Where it fails the terminal is gone, and nobody is left to be told.
fn give_back() {
    let _ = execute!(stdout(), Show, EnableLineWrap, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}
