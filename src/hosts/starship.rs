//! starship's custom module. It wraps ANSI for the shell and escapes the rest by itself; it gives no terminal, so
//! colour must not depend on one; after 500 ms it kills.

use super::{AutoColour, Host, Wait, bare};
use crate::render::style::{Markup, paint_ansi, verbatim};

pub const HOST: Host = Host {
    name: "starship",
    about: "a custom module of starship",
    wait: Wait::Never,
    markup: Markup { escape: verbatim, paint: paint_ansi },
    colour: AutoColour::Always,
    envelope: bare,
};
