//! A terminal, a file, a script.

use super::{AutoColour, Host, Wait, bare};
use crate::render::style::{Markup, paint_ansi, verbatim};
use std::time::Duration;

pub const HOST: Host = Host {
    name: "plain",
    about: "a terminal or a script",
    wait: Wait::WhenEmpty(Duration::from_secs(5)),
    markup: Markup { escape: verbatim, paint: paint_ansi },
    colour: AutoColour::OnTerminal,
    envelope: bare,
};
