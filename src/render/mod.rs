//! From numbers to text. Nothing here reads the clock, a file or the environment.

pub mod chart;
pub mod colour;
mod fill;
pub mod glyphs;
pub mod line;
pub mod options;
pub mod page;
pub mod style;
pub mod template;
