//! What is Codex's, not ours: its home and configuration, its login, its answers.
//! Facts come from running Codex 0.169 and from its public source.

pub mod answer;
pub mod app_server;
pub mod config;
pub(crate) mod dotenv;
pub mod home;
pub mod jwt;
pub mod login;
pub mod stamp;
mod values;
