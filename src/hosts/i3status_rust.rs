//! i3status-rust's `custom` block with `json = true`: Pango; the theme colours by `state`.

use super::{AutoColour, BAR, Host, Output};
use crate::model::usage::Severity;
use serde::Serialize;

pub const HOST: Host = Host {
    name: "i3status-rust",
    about: "a custom block of i3status-rust, json = true",
    colour: AutoColour::Never,
    envelope,
    ..BAR
};

#[derive(Serialize)]
struct I3StatusBlock<'a> {
    state: &'static str,
    text: &'a str,
    short_text: String,
}

fn envelope(output: &Output) -> String {
    let state = match output.view.severity {
        // Good would be green in most themes: too loud for what is always there.
        Severity::Ok => "Idle",
        Severity::Unknown => "Info",
        Severity::Warning => "Warning",
        Severity::Critical | Severity::Exhausted => "Critical",
    };
    super::json::line(&I3StatusBlock { state, text: output.text, short_text: output.short() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn the_state_is_one_that_it_knows() {
        let block = |state: &str, used: u32, short: &str| {
            format!(
                "{{\"state\":\"{state}\",\"text\":\"&lt;b&gt; 5h {used}%\",\
                 \"short_text\":\"Codex 5h {short}\"}}\n"
            )
        };
        for (used, state, short) in [
            (42, "Idle", "58% left"),
            (70, "Warning", "30% left, resets in 1h03m"),
            (90, "Critical", "10% left, resets in 1h03m"),
            (100, "Critical", "0% left, back in 1h03m"),
        ] {
            check(&HOST, "", "<b>", f64::from(used), &block(state, used, short));
        }
    }
}
