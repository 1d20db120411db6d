//! The only writers to stdout and stderr. A reader that has gone away (a closed pipe) is not an error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Who waits no longer than this needs no bar.
const PATIENCE: Duration = Duration::from_millis(300);
const REDRAW: Duration = Duration::from_millis(100);
/// Characters of a bar.
const BAR: u64 = 20;

/// Writes to standard output, in one call: hosts read lines, and some only the first piece.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    // The last line feed makes the line buffer write everything at once.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard output, for who goes on writing.
///
/// # Errors
/// As `write`: a reader that has gone away is one.
pub fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Writes one line to standard error.
pub fn warn(text: impl Display) {
    let line = format!("codexline: {}\n", crate::model::text::one_line(&text.to_string()));
    let _ = io::stderr().write_all(line.as_bytes());
}

/// What `--verbose` tells.
pub struct Log {
    wanted: bool,
}

impl Log {
    pub fn new(wanted: bool) -> Log {
        Log { wanted }
    }

    /// One step and its reason, on one line.
    pub fn debug(&self, text: impl Display) {
        if self.wanted {
            warn(text);
        }
    }
}

/// How far some work is, for a person who waits: a bar on standard error, if that is a terminal and it takes a while. Gone
/// at the end.
pub struct Meter {
    label: &'static str,
    begun: Instant,
    drawn: Option<Instant>,
    wanted: bool,
}

impl Meter {
    pub fn new(label: &'static str) -> Meter {
        Meter { label, begun: Instant::now(), drawn: None, wanted: io::stderr().is_terminal() }
    }

    /// So many bytes of so many.
    pub fn show(&mut self, done: u64, total: u64) {
        let due = match self.drawn {
            None => self.begun.elapsed() >= PATIENCE,
            Some(drawn) => drawn.elapsed() >= REDRAW,
        };
        if self.wanted && due {
            self.drawn = Some(Instant::now());
            let _ = write!(io::stderr(), "\r{}", bar(self.label, done, total));
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            // Blanks do what an escape sequence would, on every terminal.
            let blanks = bar(self.label, 0, 0).len();
            let _ = write!(io::stderr(), "\r{:blanks$}\r", "");
        }
    }
}

/// Always of the same width.
fn bar(label: &str, done: u64, total: u64) -> String {
    let part =
        |whole: u64| u128::from(done.min(total)) * u128::from(whole) / u128::from(total.max(1));
    let full = "#".repeat(usize::try_from(part(BAR)).unwrap_or(0));
    let total = crate::model::text::short_count(total);
    format!("{label} [{full:-<width$}] {:>3}% of {total:>5}B", part(100), width = BAR as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_of_one_width() {
        for (done, total, expected) in [
            (0, 0, "sessions [--------------------]   0% of     0B"),
            (421, 1000, "sessions [########------------]  42% of  1000B"),
            (u64::MAX, u64::MAX, "sessions [####################] 100% of 18.4EB"),
        ] {
            assert_eq!(bar("sessions", done, total), expected);
        }
    }
}
