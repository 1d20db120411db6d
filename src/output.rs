//! The only writers to stdout and stderr. A reader that has gone away (a closed pipe) is not an error.

use std::fmt::Display;
use std::io::{self, Write};

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
pub fn complain(text: impl Display) {
    let line = format!("codexline: {}\n", crate::text::one_line(&text.to_string()));
    let _ = io::stderr().write_all(line.as_bytes());
}

/// What `--verbose` tells.
pub struct Notes {
    wanted: bool,
}

impl Notes {
    pub fn new(wanted: bool) -> Notes {
        Notes { wanted }
    }

    /// One step and its reason, on one line.
    pub fn tell(&self, text: impl Display) {
        if self.wanted {
            complain(text);
        }
    }
}
