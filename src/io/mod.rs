//! Every effect: environment and clock, files, network, output, processes.
//!
//! What differs between systems is in [`platform`], and so is every `unsafe` block. The other rooms
//! know no system.

mod answer;
pub mod certificates;
pub mod env;
pub mod files;
pub mod http;
pub mod output;
#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
pub mod windows;

#[cfg(unix)]
pub use unix as platform;
#[cfg(windows)]
pub use windows as platform;
