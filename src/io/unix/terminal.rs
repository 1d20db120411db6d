//! The terminal of a person: its size, and single keys from it.

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use rustix::termios::{tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, Read};

/// Columns and lines of the terminal on standard output; `None` if it is not a terminal.
pub fn terminal_size() -> Option<(usize, usize)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0)
        .then_some((usize::from(size.ws_col), usize::from(size.ws_row)))
}

/// The terminal on standard input while it gives each key at once, Ctrl-C included. Dropping it
/// makes the terminal what it was.
pub struct Keys {
    before: Termios,
}

impl Keys {
    /// `None` if standard input is not a terminal.
    pub fn begin() -> Option<Keys> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        // A read comes back with a key, or without one after two tenths of a second.
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 2;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Keys { before })
    }

    /// The next key, if one comes within two tenths of a second.
    ///
    /// # Errors
    /// As `read`, also when the terminal has gone.
    pub fn read(&mut self) -> io::Result<Option<u8>> {
        let mut key = [0];
        let count = io::stdin().lock().read(&mut key)?;
        Ok((count > 0).then_some(key[0]))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
