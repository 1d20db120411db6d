//! The verbs: one file each, with its arguments.

pub mod activity;
pub mod auth;
pub mod check;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod help;
pub mod init;
pub mod status;
