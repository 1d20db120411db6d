//! i3blocks, and i3bar or swaybar behind it: full text, short text and colour, a line each, with
//! `markup=pango`.

use super::{BAR, Host, Output};
use crate::render::style::{Markup, uncoloured};

pub const HOST: Host = Host {
    name: "i3blocks",
    about: "a block of i3blocks: three lines",
    // The block has one colour, on its third line.
    markup: Markup { paint: uncoloured, ..BAR.markup },
    is_block: true,
    envelope,
    ..BAR
};

fn envelope(output: &Output) -> String {
    let mut lines = format!("{}\n{}\n", output.text, output.short());
    if let Some(colour) = output.colour() {
        lines.push_str(&colour);
        lines.push('\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn three_lines() {
        check(&HOST, "", "<b>&", 42.0, "&lt;b&gt;&amp; 5h 42%\nCodex 5h 58% left\n");
        check(&HOST, "", "plus", 100.0, "plus 5h 100%\nCodex 5h 0% left, back in 1h03m\n#ff8787\n");
        check(&HOST, "ok=green", "plus", 42.0, "plus 5h 42%\nCodex 5h 58% left\n#00cd00\n");
    }
}
