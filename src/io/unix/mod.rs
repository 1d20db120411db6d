//! What Unix systems offer: file modes and owners, sessions and descriptors, signals.

mod files;
mod processes;
mod signals;
mod terminal;

pub use files::*;
pub use processes::*;
pub use signals::*;
pub use terminal::*;
