//! waybar's custom module with `"return-type": "json"`. It reads the first line only; text and
//! tooltip are Pango; up to 0.9.17 a percentage that is not whole counts as 0.

use super::{AutoColour, BAR, Host, Output};
use crate::model::usage::whole_percent;
use crate::render::colour::TEXT_ONLY;
use crate::render::style::{Markup, embolden_pango, escape_pango};
use serde::Serialize;

pub const HOST: Host = Host {
    name: "waybar",
    about: "a custom module of waybar (JSON)",
    // Colours come by CSS class. Pango's background covers only part of the letters in the stock
    // font, so what is wrong is bold.
    markup: Markup { without_colours: embolden_pango, ..BAR.markup },
    palette: TEXT_ONLY.in_bold(),
    colour: AutoColour::Never,
    needs_zone: true,
    tells_today: true,
    envelope,
    ..BAR
};

#[derive(Serialize)]
struct WaybarModule<'a> {
    text: &'a str,
    alt: &'a str,
    tooltip: String,
    class: Vec<&'a str>,
    percentage: i64,
}

fn envelope(output: &Output) -> String {
    let view = output.view;
    let mut class = vec![view.severity.name()];
    if view.is_stale {
        class.push("stale");
    }
    if view.problem.is_some() {
        class.push("error");
    }
    let block = WaybarModule {
        text: output.text,
        alt: view.severity.name(),
        tooltip: tooltip(output),
        class,
        percentage: percentage(output),
    };
    super::json::line(&block)
}

/// How much of the limit that binds is used or left, as in the text. Of a plan that is blocked
/// nothing is left, whatever its limits say: this picks an icon of waybar's `format-icons`.
fn percentage(output: &Output) -> i64 {
    let view = output.view;
    let Some(limit) = &view.binding else { return 0 };
    let used = if view.blocked().is_some() { 100.0 } else { limit.used };
    whole_percent(output.style.show.share(used))
}

/// In a font of one width, so that the columns stand. Without colours: the tooltip's background is
/// the theme's.
fn tooltip(output: &Output) -> String {
    let mut out = String::with_capacity(1024);
    out.push_str("<tt>");
    for (number, line) in output.page().iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        for span in line {
            let mut text = String::new();
            escape_pango(&span.text, &mut text);
            match span.mark.is_bold() {
                true => out.push_str(&format!("<b>{text}</b>")),
                false => out.push_str(&text),
            }
        }
    }
    out.push_str("</tt>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn text_and_tooltip_are_pango() {
        let tooltip = "<tt><b>Codex &lt;b&gt;&amp;</b>\\n\\n\
                       5h       ━━━━━━━━━━━━────────   58% left\\n\
                       \x20        resets in 1h03m (16:03)\\n\\n\
                       pace     all last until they reset\\nupdated  just now</tt>";
        let expected = format!(
            "{{\"text\":\"&lt;b&gt;&amp; 5h 42%\",\"alt\":\"ok\",\
             \"tooltip\":\"{tooltip}\",\"class\":[\"ok\"],\
             \"percentage\":58}}\n"
        );
        check(&HOST, "", "<b>&", 42.0, &expected);
    }
}
