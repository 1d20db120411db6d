//! bash's `PS1`, which the snippet sets before each prompt. bash reads it twice: first it decodes
//! backslashes, then it expands `$` and backquotes. Colours stand in `\[` and `\]`, which tell
//! readline that they take no room.

use super::{Host, PLAIN_MARKUP, PROMPT};
use crate::render::colour::Style;
use crate::render::style::{Markup, ansi_codes};

pub const HOST: Host = Host {
    name: "bash",
    about: "PS1 of bash",
    markup: Markup { escape, paint, ..PLAIN_MARKUP },
    ..PROMPT
};

/// The first reading leaves a backslash in front of what the second would act on. A `\$` would not
/// do: the first makes it a `#` for root.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\\\\\"),
            '$' | '`' => out.extend(['\\', '\\', character]),
            _ => out.push(character),
        }
    }
}

fn paint(style: Style, text: &str, out: &mut String) {
    match ansi_codes(style) {
        codes if codes.is_empty() => out.push_str(text),
        codes => out.push_str(&format!("\\[\x1b[{codes}m\\]{text}\\[\x1b[0m\\]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn text_is_inert_and_colours_take_no_room() {
        let expected = r"\\$(id) \\`id\\` \\\\u 5h 42%";
        check(&HOST, "ok=none", r"$(id) `id` \u", 42.0, &format!("{expected}\n"));
        let painted = "plus \\[\x1b[38;5;208m\\]5h 42%\\[\x1b[0m\\]\n";
        check(&HOST, "ok=208", "plus", 42.0, painted);
    }
}
