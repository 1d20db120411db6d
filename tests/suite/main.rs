//! The integration tests: the real binary against a scripted server on loopback, one module a
//! theme. `support` is shared.
// What is observed here (modes, signals, sessions, hosts) is Unix; the unit tests run everywhere.
#![cfg(unix)]
// A test may read files and the clock, stop where something is wrong, and say what it skips.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

// First: its macros are known from here on.
#[macro_use]
mod support;

mod accounts;
mod activity;
mod activity_command;
mod codex_real;
mod codex_turns;
mod config;
mod fetch;
mod herd;
#[cfg(target_os = "linux")]
mod hosts;
mod init;
mod input;
mod line;
mod looks;
mod properties;
mod readme;
mod recovery;
mod rooms;
mod secrets;
mod sources;
mod speed;
mod status;
mod support_itself;
mod today;
