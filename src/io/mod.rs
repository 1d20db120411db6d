//! Every effect: environment and clock, files, network, output, processes.
//!
//! What differs between systems is in [`platform`], and so is every `unsafe` block. The other rooms
//! know no system.

pub(crate) mod answer;
pub(crate) mod certificates;
pub mod env;
pub mod files;
pub(crate) mod http;
pub(crate) mod output;
#[cfg(unix)]
pub(crate) mod unix;
#[cfg(windows)]
pub(crate) mod windows;

#[cfg(unix)]
pub(crate) use unix as platform;
#[cfg(windows)]
pub(crate) use windows as platform;
