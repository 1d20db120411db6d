//! Claude Code's `statusLine` shows every line that it is given, and takes ANSI. It sends JSON on
//! stdin, which is not read: to wait for it would be to wait for its end.

use super::{Host, PROMPT};

pub const HOST: Host = Host { name: "claude-code", about: "Claude Code's statusLine", ..PROMPT };
