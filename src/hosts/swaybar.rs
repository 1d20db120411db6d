//! swaybar and i3bar behind i3blocks with `format=json`: one flat object with the keys of their
//! protocol, which i3blocks hands on as they are. An object can say "urgent" and have a background,
//! which the three lines of i3blocks cannot.

use super::{Host, Output, i3blocks};
use crate::render::colour::BAR;
use crate::render::style::{Markup, embolden_pango};
use serde::Serialize;

pub const HOST: Host = Host {
    name: "swaybar",
    about: "a block of i3blocks with format=json",
    // The block has one colour and one background; what is wrong in it is bold.
    markup: Markup {
        paint: embolden_pango,
        without_colours: embolden_pango,
        ..i3blocks::HOST.markup
    },
    palette: BAR.in_bold(),
    envelope,
    ..i3blocks::HOST
};

#[derive(Serialize)]
struct SwaybarBlock<'a> {
    full_text: &'a str,
    short_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    background: Option<String>,
    markup: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    urgent: bool,
}

fn envelope(output: &Output) -> String {
    super::json::line(&SwaybarBlock {
        full_text: output.text,
        short_text: output.short(),
        color: output.colour(),
        background: output.background(),
        markup: "pango",
        urgent: output.is_urgent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn one_flat_object() {
        let block = |text: &str, short: &str, colour: &str| {
            format!(
                "{{\"full_text\":\"{text}\",\"short_text\":\"Codex {short}\",\
                 {colour}\"markup\":\"pango\"}}\n"
            )
        };
        check(&HOST, "", "<b>", 42.0, &block("&lt;b&gt; 5h 42%", "5h 58% left", ""));
        let colour = "\"color\":\"#ffffff\",\"background\":\"#d70000\",";
        let exhausted = block("plus <b>5h 100%</b>", "<b>5h 0% left</b>, back in 1h03m", colour);
        check(&HOST, "", "plus", 100.0, &exhausted);
    }
}
