//! waybar's custom module with `"return-type": "json"`. It reads the first line only; text and tooltip are Pango;
//! colours come by CSS class; a percentage that is not whole counts as 0 up to 0.9.17.

use super::{AutoColour, Host, Output, Wait};
use crate::render::style::{Markup, escape_pango, paint_pango};
use crate::render::template::whole_percent;
use crate::time::{age, countdown};
use crate::view::View;
use serde::Serialize;
use std::time::Duration;

pub const HOST: Host = Host {
    name: "waybar",
    about: "a custom module of waybar (JSON)",
    wait: Wait::Always(Duration::from_secs(3)),
    markup: Markup { escape: escape_pango, paint: paint_pango },
    colour: AutoColour::Never,
    envelope,
};

#[derive(Serialize)]
struct Block<'a> {
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
    let block = Block {
        text: output.text,
        alt: view.severity.name(),
        tooltip: tooltip(view),
        class,
        percentage: view.binding.as_ref().map_or(0, |limit| whole_percent(limit.used)),
    };
    super::json::line(&block)
}

fn tooltip(view: &View) -> String {
    let mut lines = Vec::new();
    if let Some(usage) = &view.usage {
        lines.extend(usage.plan.as_ref().map(|plan| format!("plan {plan}")));
        lines.extend(usage.limits().map(|limit| {
            let reset =
                limit.resets_at.map(|at| format!(", resets in {}", countdown(at.seconds_since(view.now))));
            format!("{}: {}% used{}", limit.label, whole_percent(limit.used), reset.unwrap_or_default())
        }));
        for pool in &usage.pools {
            for window in &pool.windows {
                lines.push(format!("{} {}: {}% used", pool.name, window.label(), whole_percent(window.used)));
            }
        }
        lines.extend(view.budget().map(|budget| format!("budget {budget}")));
        lines.extend(view.credits().map(|credits| format!("credits {credits}")));
    } else {
        lines.push(format!("Codex: {}", view.word()));
    }
    lines.extend(view.age_seconds.map(|seconds| format!("fetched {} ago", age(seconds))));
    if let Some(problem) = &view.problem {
        lines.push(problem.message.clone());
        lines.push(problem.hint.clone());
    }
    let mut out = String::new();
    escape_pango(&lines.join("\n"), &mut out);
    out
}
