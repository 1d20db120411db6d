//! i3blocks, and i3bar or swaybar behind it: full text, short text, colour, a line each; `markup=pango`.

use super::{AutoColour, Host, Output, Wait};
use crate::render::style::{Markup, escape_pango, hex, uncoloured};
use crate::render::template::whole_percent;
use std::time::Duration;

pub const HOST: Host = Host {
    name: "i3blocks",
    about: "a block of i3blocks",
    wait: Wait::Always(Duration::from_secs(3)),
    // The block has one colour, on its third line.
    markup: Markup { escape: escape_pango, paint: uncoloured },
    colour: AutoColour::Always,
    envelope,
};

fn envelope(output: &Output) -> String {
    let mut lines = String::with_capacity(2 * output.text.len() + 16);
    lines.push_str(output.text);
    lines.push('\n');
    match &output.view.binding {
        Some(limit) => escape_pango(&format!("{} {}%", limit.label, whole_percent(limit.used)), &mut lines),
        None => lines.push_str(output.text),
    }
    lines.push('\n');
    if let Some(colour) = hex(output.view.severity).filter(|_| output.coloured) {
        lines.push_str(colour);
        lines.push('\n');
    }
    lines
}
