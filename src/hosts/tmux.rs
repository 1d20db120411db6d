//! tmux's `#(…)`: its output is format-expanded, so a `#` of ours must be doubled. After a second
//! without output the bar says "not ready".

use super::{Host, PLAIN_MARKUP, PROMPT, Wait};
use crate::render::colour::{Colour, Style};
use crate::render::style::{Markup, escape_doubling, paint_brackets};
use std::time::Duration;

pub const HOST: Host = Host {
    name: "tmux",
    about: "#(…) in tmux's status line",
    wait: Wait::Always(Duration::from_millis(800)),
    markup: Markup { escape, paint, ..PLAIN_MARKUP },
    ..PROMPT
};

fn escape(text: &str, out: &mut String) {
    escape_doubling('#', text, out);
}

fn paint(style: Style, text: &str, out: &mut String) {
    let name = |colour: Colour| match (colour, colour.name()) {
        (_, Some((is_bright, name))) => format!("{}{name}", if is_bright { "bright" } else { "" }),
        (Colour::Indexed(number), _) => format!("colour{number}"),
        (Colour::Rgb(_), _) => colour.hex(),
    };
    paint_brackets(style, name, text, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn formats_in_text_are_inert() {
        let text = "##(touch x) ##[fg=red ##S 5% 5h 42%\n";
        check(&HOST, "", "#(touch x) #[fg=red #S 5%", 42.0, text);
    }

    #[test]
    fn colours_have_the_names_of_tmux() {
        check(&HOST, "ok=bright-blue", "plus", 42.0, "plus #[fg=brightblue]5h 42%#[default]\n");
        check(&HOST, "ok=208", "plus", 42.0, "plus #[fg=colour208]5h 42%#[default]\n");
        check(&HOST, "ok=#ff8700", "plus", 42.0, "plus #[fg=#ff8700]5h 42%#[default]\n");
        check(&HOST, "ok=none", "plus", 42.0, "plus 5h 42%\n");
        check(
            &HOST,
            "",
            "plus",
            100.0,
            "plus #[fg=colour231,bg=colour160,bold]5h 100%#[default]\n",
        );
    }
}
