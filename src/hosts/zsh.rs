//! zsh's prompts, by `$(…)` under PROMPT_SUBST. The output is expanded for `%`, so one of ours must
//! be doubled. Colours are ANSI sequences in `%{ %}`, which tells zsh that they take no room:
//! `%F{220}` prints nothing where TERM says that there are 8 colours, as in a stock xterm. What was
//! substituted is not substituted again.

use super::{Host, PLAIN_MARKUP, PROMPT};
use crate::render::colour::Style;
use crate::render::style::{Markup, ansi_codes, escape_doubling};

pub const HOST: Host = Host {
    name: "zsh",
    about: "PROMPT or RPROMPT of zsh, under PROMPT_SUBST",
    markup: MARKUP,
    ..PROMPT
};

pub(super) const MARKUP: Markup = Markup { escape, paint, ..PLAIN_MARKUP };

fn escape(text: &str, out: &mut String) {
    escape_doubling('%', text, out);
}

fn paint(style: Style, text: &str, out: &mut String) {
    match ansi_codes(style) {
        codes if codes.is_empty() => out.push_str(text),
        codes => out.push_str(&format!("%{{\x1b[{codes}m%}}{text}%{{\x1b[0m%}}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn text_is_inert_and_colours_take_no_room() {
        check(&HOST, "", "50% #S $(id)", 42.0, "50%% #S $(id) 5h 42%%\n");
        check(&HOST, "ok=208", "plus", 42.0, "plus %{\x1b[38;5;208m%}5h 42%%%{\x1b[0m%}\n");
        check(&HOST, "ok=bright-red", "plus", 42.0, "plus %{\x1b[91m%}5h 42%%%{\x1b[0m%}\n");
        let rgb = "plus %{\x1b[38;2;255;135;0m%}5h 42%%%{\x1b[0m%}\n";
        check(&HOST, "ok=#ff8700", "plus", 42.0, rgb);
        let exhausted = "plus %{\x1b[1;38;5;231;48;5;160m%}5h 100%%%{\x1b[0m%}\n";
        check(&HOST, "", "plus", 100.0, exhausted);
    }
}
