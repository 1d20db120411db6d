//! From numbers to text. Pure: renders never read the clock, a file or the environment.

pub mod style;
pub mod template;
