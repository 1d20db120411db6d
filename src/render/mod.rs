//! From numbers to text. Nothing here reads the clock, a file or the environment.

pub(crate) mod chart;
pub(crate) mod colour;
mod fill;
pub(crate) mod glyphs;
pub(crate) mod line;
pub(crate) mod options;
pub(crate) mod page;
pub mod style;
pub mod template;
