//! fish's prompt functions. What they print is shown as it is, and fish knows that ANSI sequences
//! take no room.

use super::{Host, PROMPT};

pub const HOST: Host = Host { name: "fish", about: "fish_prompt or fish_right_prompt", ..PROMPT };
