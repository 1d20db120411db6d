//! Local activity: sessions, turns and tokens by day, from Codex's session files.
//!
//! The path of a byte: [`lines`] splits files, [`sniff`] drops what is not counted, [`line`] parses the rest,
//! [`tally`] adds it up and knows what is a repetition.

pub mod hash;
pub mod line;
pub mod lines;
pub mod sniff;
pub mod tally;
