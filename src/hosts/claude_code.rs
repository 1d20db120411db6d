//! Claude Code's `statusLine`: shows every line it is given, takes ANSI. It sends JSON on stdin, which is left unread: to wait
//! for it would be to wait for its end.

use super::{Host, PROMPT};

pub const HOST: Host = Host { name: "claude-code", about: "Claude Code's statusLine", ..PROMPT };
