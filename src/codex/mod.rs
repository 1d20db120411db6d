//! What is Codex's, not ours: its home and configuration, its login, its answers.
//! Facts come from running Codex 0.169 and from its public source.

pub mod answer;
pub mod auth;
pub mod config;
pub mod home;
