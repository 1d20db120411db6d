//! zsh's prompts, by `$(…)` under PROMPT_SUBST: the output is expanded for `%`, so one of ours must be doubled, and colours
//! are written as `%F{…}`, of which zsh knows that they take no room. What was substituted is not substituted again.

use super::{Host, PROMPT};
use crate::render::colour::{Colour, Style, Weight};
use crate::render::style::{Markup, escape_doubling};

pub const HOST: Host = Host {
    name: "zsh",
    about: "PROMPT or RPROMPT of zsh, under PROMPT_SUBST",
    markup: MARKUP,
    ..PROMPT
};

pub(super) const MARKUP: Markup = Markup { escape, paint };

fn escape(text: &str, out: &mut String) {
    escape_doubling('%', text, out);
}

fn paint(style: Style, text: &str, out: &mut String) {
    let name = |colour: Colour| match (colour, colour.name()) {
        (_, Some((false, name))) => name.to_string(),
        (Colour::Indexed(number), _) => number.to_string(),
        (Colour::Rgb(_), _) => colour.hex(),
    };
    let is_bold = style.weight == Weight::Bold;
    // A prompt has no dim text: bright black is the nearest.
    let colour = if style.weight == Weight::Dim {
        style.colour.or(Some(Colour::Indexed(8)))
    } else {
        style.colour
    };
    if is_bold {
        out.push_str("%B");
    }
    match colour {
        Some(colour) => out.push_str(&format!("%F{{{}}}{text}%f", name(colour))),
        None => out.push_str(text),
    }
    if is_bold {
        out.push_str("%b");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn text_is_inert_and_colours_are_the_shell_s() {
        check(&HOST, "", "50% #S $(id)", 42.0, "50%% #S $(id) %F{green}5h 42%%%f\n");
        check(&HOST, "ok=208", "plus", 42.0, "plus %F{208}5h 42%%%f\n");
        check(&HOST, "ok=bright-red", "plus", 42.0, "plus %F{9}5h 42%%%f\n");
        check(&HOST, "ok=#ff8700", "plus", 42.0, "plus %F{#ff8700}5h 42%%%f\n");
        check(&HOST, "", "plus", 100.0, "plus %B%F{red}5h 100%%%f%b\n");
    }
}
