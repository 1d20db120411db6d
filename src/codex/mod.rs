//! What is Codex's, not ours: its home and configuration, its login, its answers.
//! Facts come from running Codex 0.169 and from its public source.

pub mod answer;
pub(crate) mod app_server;
pub mod config;
pub(crate) mod dotenv;
pub mod home;
pub(crate) mod jwt;
pub(crate) mod login;
pub(crate) mod stamp;
mod values;
