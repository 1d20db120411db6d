//! SwiftBar and xbar, in macOS's menu bar: a line, `---`, and the lines of the menu. Behind a `|`
//! stand parameters, so text cannot hold one; `:name:` would become a picture, and a leading `--` a
//! submenu.

use super::{BAR, Host, Output, PLAIN_MARKUP};
use crate::model::usage::Severity;
use crate::render::page::plain_text;

pub const HOST: Host = Host {
    name: "swiftbar",
    about: "a plugin of SwiftBar or xbar: the line and a menu",
    markup: PLAIN_MARKUP,
    needs_zone: true,
    tells_today: true,
    envelope,
    ..BAR
};

/// Text stays text. xbar knows the first, SwiftBar both.
const AS_IT_IS: &str = "emojize=false symbolize=false";
/// A font in which columns stand; blanks at the start of a line are part of them.
const TABLE: &str = "font=Menlo trim=false";

fn envelope(output: &Output) -> String {
    let mut out = item(output.text);
    if let Some(colour) = output.colour() {
        out.push_str(&format!(" color={}{colour}", in_light_mode(output)));
    }
    out.push_str("\n---\n");
    for line in output.page() {
        out.push_str(&format!("{} {TABLE}\n", item(&plain_text(&line))));
    }
    out.push_str("---\nrefresh | refresh=true\n");
    out
}

/// What stands before the colour: that for a light menu bar, unless the user has chosen one for
/// both.
fn in_light_mode(output: &Output) -> &'static str {
    let severity = output.view.severity;
    match severity {
        _ if output.style.style(severity) != HOST.palette.of(severity) => "",
        Severity::Warning => "#7a4f00,",
        Severity::Critical | Severity::Exhausted => "#b3001b,",
        Severity::Unknown | Severity::Ok => "",
    }
}

fn item(text: &str) -> String {
    let text = text.replace('|', "¦");
    // A hyphen that is none to SwiftBar.
    let text = match text.strip_prefix("--") {
        Some(rest) => format!("\u{2010}-{rest}"),
        None => text,
    };
    format!("{text} | {AS_IT_IS}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn a_line_and_a_menu() {
        check(
            &HOST,
            "",
            "--a|b",
            100.0,
            "\u{2010}-a¦b 5h 100% | emojize=false symbolize=false color=#b3001b,#ff8787\n\
             ---\n\
             Codex --a¦b | emojize=false symbolize=false font=Menlo trim=false\n\
             \x20| emojize=false symbolize=false font=Menlo trim=false\n\
             5h       ────────────────────    0% left | emojize=false \
             symbolize=false font=Menlo trim=false\n\
             \x20        back in 1h03m (16:03) | emojize=false \
             symbolize=false font=Menlo trim=false\n\
             \x20| emojize=false symbolize=false font=Menlo trim=false\n\
             updated  just now | emojize=false symbolize=false font=Menlo trim=false\n\
             ---\n\
             refresh | refresh=true\n",
        );
    }
}
