//! How much of a Codex (ChatGPT) plan is used, for a shell prompt or a bar.
//!
//! Its stories, each told in one file:
//! * [`line`], the warm path: cache → decide → render → print;
//! * [`fetch`]: lock → re-read → ask → recover → store. [`worker`] starts it behind a prompt; [`sources`] are whom it asks.
//! * [`count`]: lock → what is new in the session files → today's counts into the entry. Started likewise.
//!
//! Data flows one way, and what is absent holds the shape:
//! * `usage`, `pace`, `change`, `time`, `backoff`, `view`, `text`, `values` and `render` read no clock, file, environment or network;
//! * only `environment` reads variables and the clock, only `output` writes to stdout and stderr;
//! * only `cli` knows clap, only `http` knows ureq, only `unix`, its counterpart `windows` and `arena` have `unsafe`; the others call whichever of the first two there is `platform`;
//! * the warm path never reads auth.json, config.toml or a certificate, and opens no socket;
//! * nothing prints, logs or stores a [`secret::Secret`].

pub mod accounts;
pub mod activity;
pub mod activity_command;
pub mod arena;
pub mod auth;
pub mod backoff;
pub mod block;
pub mod cache;
pub mod certificates;
pub mod change;
pub mod check;
pub mod cli;
pub mod codex;
pub mod config;
pub mod config_file;
pub mod count;
pub mod demo;
pub mod doctor;
pub mod environment;
pub mod error;
pub mod fetch;
pub mod files;
pub mod hash;
pub mod hosts;
pub mod http;
pub mod integrations;
pub mod layers;
pub mod ledger;
pub mod line;
pub mod output;
pub mod pace;
pub mod push;
pub mod recovery;
pub mod render;
pub mod secret;
pub mod settings;
pub mod sources;
pub mod status;
pub mod text;
pub mod time;
#[cfg(unix)]
pub mod unix;
pub mod usage;
pub mod values;
pub mod view;
#[cfg(windows)]
pub mod windows;
pub mod worker;

#[cfg(unix)]
pub use unix as platform;
#[cfg(windows)]
pub use windows as platform;
