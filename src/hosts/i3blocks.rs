//! i3blocks, and i3bar or swaybar behind it: full text, short text, colour, a line each; `markup=pango`.

use super::{BAR, Host, Output};
use crate::render::style::{Markup, escape_pango, uncoloured};

pub const HOST: Host = Host {
    name: "i3blocks",
    about: "a block of i3blocks: three lines",
    // The block has one colour, on its third line.
    markup: Markup { escape: escape_pango, paint: uncoloured },
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
        check(&HOST, "", "<b>&", 42.0, "&lt;b&gt;&amp; 5h 42%\n5h 42%\n");
        check(&HOST, "", "plus", 100.0, "plus 5h 100%\n5h 100%\n#ff5f5f\n");
        check(&HOST, "ok=green", "plus", 42.0, "plus 5h 42%\n5h 42%\n#00cd00\n");
    }
}
