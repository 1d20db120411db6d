//! A terminal, a file, a script.

use super::{AutoColour, Host, PROMPT, Wait};
use std::time::Duration;

pub const HOST: Host = Host {
    name: "plain",
    about: "a terminal or a script",
    wait: Wait::WhenEmpty(Duration::from_secs(5)),
    colour: AutoColour::OnTerminal,
    ..PROMPT
};
