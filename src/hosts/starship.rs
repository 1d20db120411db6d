//! starship's custom module. It wraps ANSI for the shell and escapes the rest by itself; it gives no terminal, so
//! colour must not depend on one; after 500 ms it kills.

use super::{Host, PROMPT};

pub const HOST: Host = Host { name: "starship", about: "a custom module of starship", ..PROMPT };
