//! zjstatus, a bar for zellij, with `rendermode "dynamic"`: it cuts the text at each `#[` and takes
//! what follows up to `]` as attributes, those of the first piece even without the `#[`.

use super::{Host, Output, PLAIN_MARKUP, PROMPT, Wait};
use crate::render::colour::{Colour, Style};
use crate::render::style::{Markup, paint_brackets};
use std::time::Duration;

pub const HOST: Host = Host {
    name: "zjstatus",
    about: "a command of zjstatus (zellij), rendermode dynamic",
    wait: Wait::Always(Duration::from_secs(3)),
    markup: Markup { escape, paint, ..PLAIN_MARKUP },
    envelope,
    ..PROMPT
};

const DEFAULT: &str = "#[default]";

/// `#` ends one piece, `[` begins the next.
fn escape(text: &str, out: &mut String) {
    out.push_str(&text.replace("#[", "##[default]["));
}

/// It knows names for eight colours only, but the numbers of all.
fn paint(style: Style, text: &str, out: &mut String) {
    let name = |colour| match colour {
        Colour::Indexed(number) => number.to_string(),
        Colour::Rgb(_) => colour.hex(),
    };
    paint_brackets(style, name, text, out);
}

fn envelope(output: &Output) -> String {
    format!("{DEFAULT}{}\n", output.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn attributes_in_text_are_text() {
        check(&HOST, "", "a] #[fg=red]", 42.0, "#[default]a] ##[default][fg=red] 5h 42%\n");
        check(&HOST, "ok=#010203", "plus", 42.0, "#[default]plus #[fg=#010203]5h 42%#[default]\n");
        check(&HOST, "", "plus", 100.0, "#[default]plus #[fg=231,bg=160,bold]5h 100%#[default]\n");
    }
}
