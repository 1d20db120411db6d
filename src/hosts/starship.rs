//! starship's custom module. It wraps ANSI for the shell and escapes the rest by itself. It gives
//! no terminal, so colour must not depend on one. After 500 ms it kills the command.

use super::{Host, PROMPT};

pub const HOST: Host = Host { name: "starship", about: "a custom module of starship", ..PROMPT };
