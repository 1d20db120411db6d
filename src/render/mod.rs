//! From numbers to text. Pure: renders never read the clock, a file or the environment.

pub mod chart;
pub mod colour;
pub mod fill;
pub mod glyphs;
pub mod page;
pub mod panel;
pub mod style;
pub mod template;
