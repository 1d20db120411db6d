//! The verbs: one file each, with its arguments.

pub(crate) mod activity;
pub(crate) mod auth;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub mod help;
pub mod init;
pub(crate) mod status;
