//! polybar's `custom/script`: the first line, with tags in `%{…}`. A lone `%` is text; an unknown
//! tag takes text away.

use super::{BAR, Host, PLAIN_MARKUP, bare};
use crate::render::colour::{self, Style};
use crate::render::style::Markup;

pub const HOST: Host = Host {
    name: "polybar",
    about: "a custom/script module of polybar",
    markup: Markup { escape, paint, ..PLAIN_MARKUP },
    palette: colour::BAR,
    envelope: bare,
    ..BAR
};

/// A tag that does nothing keeps `%` and `{` apart.
fn escape(text: &str, out: &mut String) {
    out.push_str(&text.replace("%{", "%%{O0}{"));
}

/// Bold would be another font of the bar, and which is not known.
fn paint(style: Style, text: &str, out: &mut String) {
    let (mut before, mut behind) = (String::new(), String::new());
    for (letter, colour) in [('B', style.background), ('F', style.colour)] {
        if let Some(colour) = colour {
            before.push_str(&format!("%{{{letter}{}}}", colour.hex()));
            behind.insert_str(0, &format!("%{{{letter}-}}"));
        }
    }
    out.push_str(&before);
    out.push_str(text);
    out.push_str(&behind);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn tags_in_text_are_broken_up() {
        check(&HOST, "", "5% %{F#f00}", 42.0, "5% %%{O0}{F#f00} 5h 42%\n");
        check(&HOST, "ok=red", "plus", 42.0, "plus %{F#cd0000}5h 42%%{F-}\n");
        check(&HOST, "", "plus", 100.0, "plus %{B#d70000}%{F#ffffff}5h 100%%{F-}%{B-}\n");
    }
}
