//! How much of a Codex (ChatGPT) plan is left, for a shell prompt or a bar.
//!
//! Two stories, each told in one place:
//! * the warm path ([`line`]), at every prompt:
//!   read the cache entry → decide → render → print;
//! * the fetch ([`background::fetch`]), behind a prompt:
//!   lock → read again → ask → refresh → store.
//!
//! The rooms, from the top down:
//! * [`program`]: the edge: what was typed is done, and an exit status goes out.
//! * [`cli`]: what was typed. The only user of clap.
//! * [`commands`]: one file a verb. Each owns its arguments.
//! * [`line`]: what a prompt runs.
//! * [`background`]: what runs behind it: workers for fetch and count, and the user's hooks.
//! * [`sources`]: where numbers come from. One file and one row each.
//! * [`config`]: the options, and the layers that set them.
//! * [`hosts`]: the programs that show the line. One file and one row each.
//! * [`render`]: numbers to text. Knows no clock, file, environment or network.
//! * [`refresh`]: the OAuth refresh. The only room that writes auth.json.
//! * [`cache`]: where an entry lies, and how it is read and replaced.
//! * [`codex`]: what is Codex's, read only.
//! * [`activity`]: what the session files say: sessions, turns, tokens, rate limits.
//! * [`io`]: every effect: environment, clock, files, network, output, processes.
//! * [`model`]: the plain data and its rules. Knows nothing else, as `render`.
//!
//! Data flows one way: a room uses only rooms below it. `tests/suite/rooms.rs` reads the sources
//! and holds what each room may use.

pub mod activity;
mod background;
mod cache;
pub mod cli;
pub mod codex;
pub mod commands;
pub mod config;
pub mod hosts;
pub mod io;
pub mod line;
pub mod model;
mod program;
pub mod refresh;
pub mod render;
mod sources;

pub use program::main;
