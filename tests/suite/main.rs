//! The integration tests: the real binary against a scripted server on loopback, one module a theme. `support` is shared.
// A test may read files and the clock, stop where something is wrong, and say what it skips.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

mod fetch;
mod herd;
mod input;
mod line;
mod properties;
mod recovery;
mod secrets;
mod support;
mod support_itself;
