//! swaybar (and i3bar) behind i3blocks with `format=json`: one flat object with the keys of their protocol, which i3blocks
//! hands on as they are. It has no three lines to run out of, so it can say "urgent" itself.

use super::{Host, Output, i3blocks};
use serde::Serialize;

pub const HOST: Host = Host {
    name: "swaybar",
    about: "a block of i3blocks with format=json",
    envelope,
    ..i3blocks::HOST
};

#[derive(Serialize)]
struct SwaybarBlock<'a> {
    full_text: &'a str,
    short_text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<String>,
    markup: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    urgent: bool,
}

fn envelope(output: &Output) -> String {
    super::json::line(&SwaybarBlock {
        full_text: output.text,
        short_text: output.short(),
        color: output.colour(),
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
        let ok = r#"{"full_text":"&lt;b&gt; 5h 42%","short_text":"5h 42%","markup":"pango"}"#;
        check(&HOST, "", "<b>", 42.0, &format!("{ok}\n"));
        let exhausted = r##"{"full_text":"plus 5h 100%","short_text":"5h 100%","color":"#ff5f5f","markup":"pango"}"##;
        check(&HOST, "", "plus", 100.0, &format!("{exhausted}\n"));
    }
}
