//! What Unix systems offer: file modes and owners, sessions and descriptors, signals.

mod files;
mod processes;
mod signals;
mod terminal;

pub use files::*;
pub use processes::*;
pub use signals::*;
pub use terminal::*;

/// Whether codexline may replace auth.json.
pub const MAY_REPLACE_LOGIN: bool = true;

/// Whether the system keeps its time zones in files.
pub const HAS_ZONE_FILES: bool = true;

/// The variable with the user's home directory.
pub const HOME: &str = "HOME";
