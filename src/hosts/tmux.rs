//! tmux's `#(…)`: its output is format-expanded, so a `#` of ours must be doubled. After a second without
//! output the bar says "not ready".

use super::{AutoColour, Host, Wait, bare};
use crate::render::style::Markup;
use crate::usage::Severity;
use std::time::Duration;

pub const HOST: Host = Host {
    name: "tmux",
    about: "#(…) in tmux's status line",
    wait: Wait::Always(Duration::from_millis(800)),
    markup: Markup { escape, paint },
    colour: AutoColour::Always,
    envelope: bare,
};

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        if character == '#' {
            out.push('#');
        }
        out.push(character);
    }
}

fn paint(severity: Severity, text: &str, out: &mut String) {
    let colour = match severity {
        Severity::Unknown => "#[dim]",
        Severity::Ok => "#[fg=green]",
        Severity::Warning => "#[fg=yellow]",
        Severity::Critical => "#[fg=red]",
        Severity::Exhausted => "#[fg=red,bold]",
    };
    out.push_str(colour);
    out.push_str(text);
    out.push_str("#[default]");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_in_text_are_inert() {
        let mut out = String::new();
        escape("#(touch x) #[fg=red #S 5%", &mut out);
        assert_eq!(out, "##(touch x) ##[fg=red ##S 5%");
    }
}
