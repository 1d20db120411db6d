//! The plain data and its rules: what a plan allows, how old numbers are, what changed.
//! Nothing here reads a clock, a file, the environment or the network.

pub mod asking;
pub(crate) mod backoff;
pub(crate) mod change;
pub mod decision;
pub mod entry;
pub(crate) mod error;
pub(crate) mod hash;
pub(crate) mod pace;
pub mod secret;
pub(crate) mod show;
pub(crate) mod sign_ins;
pub mod text;
pub mod time;
pub mod today;
pub mod usage;
pub mod view;
