//! The only place that writes to standard output and standard error. A closed pipe is not an error.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What tells a person to wait appears after this time.
const PATIENCE: Duration = Duration::from_millis(300);
/// The progress bar is drawn again after this time.
const REDRAW: Duration = Duration::from_millis(100);
/// The number of characters in the bar.
const BAR: u64 = 20;

/// Writes to standard output in one call, because some hosts read only the first piece.
pub fn print(text: &str) {
    let mut out = io::stdout().lock();
    // Standard output is line buffered: everything up to the last line feed goes out at once.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard output for callers that go on writing.
///
/// # Errors
/// As `write`. Here a closed pipe is an error.
pub fn show(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Writes one line to standard error, with the program's name before it.
pub fn warn(text: impl Display) {
    let line = format!("codexline: {}\n", crate::model::text::one_line(&text.to_string()));
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Prints the messages of `--verbose`.
pub struct Log {
    wanted: bool,
}

impl Log {
    pub fn new(wanted: bool) -> Log {
        Log { wanted }
    }

    /// Tells one step and its reason on one line.
    pub fn debug(&self, text: impl Display) {
        if self.wanted {
            warn(text);
        }
    }
}

/// A progress bar on standard error for long work. It is drawn only on a terminal, and removed at
/// the end.
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

    /// Draws the bar for `done` of `total` bytes, if it is time to.
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
            wipe(bar(self.label, 0, 0).len());
        }
    }
}

/// One line on standard error for a person who waits. It is written only on a terminal, and removed
/// at the end.
pub(crate) struct Notice {
    begun: Instant,
    /// Nothing has been written yet, but may be.
    is_wanted: bool,
    columns: usize,
}

impl Notice {
    pub(crate) fn new(is_wanted: bool) -> Notice {
        Notice { begun: Instant::now(), is_wanted, columns: 0 }
    }

    /// Writes `text` once it is time to. What was written stays.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        if self.is_wanted && self.begun.elapsed() >= PATIENCE {
            self.is_wanted = false;
            if io::stderr().is_terminal() {
                let text = text();
                self.columns = text.chars().count();
                let _ = io::stderr().write_all(text.as_bytes());
            }
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if self.columns > 0 {
            wipe(self.columns);
        }
    }
}

/// Removes what stands in the terminal's line. With blanks, because not every terminal knows the
/// escape sequence that clears a line.
fn wipe(columns: usize) {
    let _ = write!(io::stderr(), "\r{:columns$}\r", "");
}

/// The bar as text, always of the same width.
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
