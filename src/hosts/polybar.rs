//! polybar's `custom/script`: the first line, with tags in `%{…}`. A lone `%` is one; an unknown tag eats text.

use super::{BAR, Host, bare};
use crate::render::colour::Style;
use crate::render::style::Markup;

pub const HOST: Host = Host {
    name: "polybar",
    about: "a custom/script module of polybar",
    markup: Markup { escape, paint },
    envelope: bare,
    ..BAR
};

/// A tag that does nothing keeps `%` and `{` apart.
fn escape(text: &str, out: &mut String) {
    out.push_str(&text.replace("%{", "%%{O0}{"));
}

/// Bold would be another font of the bar, and which is not known.
fn paint(style: Style, text: &str, out: &mut String) {
    match style.colour {
        Some(colour) => out.push_str(&format!("%{{F{}}}{text}%{{F-}}", colour.hex())),
        None => out.push_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn tags_in_text_are_broken_up() {
        check(&HOST, "", "5% %{F#f00}", 42.0, "5% %%{O0}{F#f00} 5h 42%\n");
        check(&HOST, "ok=red", "plus", 42.0, "plus %{F#cd0000}5h 42%%{F-}\n");
        check(&HOST, "", "plus", 100.0, "plus %{F#ff5f5f}5h 100%%{F-}\n");
    }
}
