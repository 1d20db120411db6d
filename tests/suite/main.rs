//! The integration tests run the real binary against a scripted server on loopback. Each module has
//! a theme; `support` is shared.
// What they observe (modes, signals, sessions, hosts) is Unix. The unit tests run everywhere.
#![cfg(unix)]
// A test may read files and the clock, and may stop where something is wrong.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

// Comes first, because its macros are known only to what follows.
#[macro_use]
mod support;

mod accounts;
mod activity;
mod activity_command;
mod codex_logins;
mod codex_real;
mod codex_turns;
mod config;
mod day;
mod fetch;
mod fresh;
mod herd;
#[cfg(target_os = "linux")]
mod hosts;
mod init;
mod input;
mod line;
mod looks;
mod numbers;
mod properties;
mod readme;
mod recovery;
mod rooms;
mod same_numbers;
mod secrets;
#[cfg(target_os = "linux")]
mod shipped;
mod sources;
mod speed;
mod status;
mod support_itself;
mod today;
#[cfg(target_os = "linux")]
mod windows;
