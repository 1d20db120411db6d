//! The plain data and its rules: what a plan allows, how old numbers are, what changed.
//! Nothing here reads a clock, a file, the environment or the network.

pub mod asking;
pub mod backoff;
pub mod change;
pub mod decision;
pub mod entry;
pub mod error;
pub mod hash;
pub mod pace;
pub mod secret;
pub mod show;
pub mod sign_ins;
pub mod text;
pub mod time;
pub mod today;
pub mod usage;
pub mod view;
