//! The sentences of a page: its title, its age, what went wrong.

use crate::model::entry::{Problem, Source};
use crate::model::time::age;
use crate::model::usage::Usage;
use crate::model::view::View;

/// `Codex Plus`, or `Codex work · Plus` for one of several accounts.
pub(super) fn title(view: &View, usage: &Usage) -> String {
    let plan = usage.plan.as_deref().map(|plan| {
        let plan = plan.replace('_', " ");
        let mut letters = plan.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        first.unwrap_or_default() + letters.as_str()
    });
    match (&view.account, plan) {
        (Some(account), Some(plan)) => format!("Codex {account} · {plan}"),
        (Some(account), None) => format!("Codex {account}"),
        (None, Some(plan)) => format!("Codex {plan}"),
        (None, None) => "Codex".to_string(),
    }
}

/// `just now`, or `23m ago, from the session files`.
pub(super) fn updated(view: &View) -> Option<String> {
    let age = age(view.age_seconds?);
    Some(match view.source {
        None | Some(Source::Api) => age,
        Some(Source::Codex) => format!("{age}, from codex itself"),
        Some(Source::Sessions) => format!("{age}, from the session files"),
    })
}

/// What went wrong, as a sentence for somebody who does not know the program.
pub(super) fn what_happened(problem: &Problem) -> String {
    match problem.code.as_str() {
        "not_signed_in" => "There is no ChatGPT login to ask with.".to_string(),
        "refresh_refused" => "The login has ended.".to_string(),
        "server_error" => {
            let status = problem.message.rsplit_once('(').map(|(_, status)| format!(" ({status}"));
            format!("Codex does not answer{}.", status.unwrap_or_default())
        }
        _ => sentence(&short_urls(&problem.message)),
    }
}

/// With the host alone in place of each URL.
pub(super) fn short_urls(text: &str) -> String {
    let word = |word: &str| match word.split_once("://") {
        Some((_, rest)) => {
            let host = rest.split('/').next().unwrap_or(rest).trim_end_matches(':');
            format!("{host}{}", if word.ends_with(':') { ":" } else { "" })
        }
        None => word.to_string(),
    };
    text.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// With a capital letter, unless it begins with a name or a path, and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let first = text.split(' ').next().unwrap_or_default();
    let is_name = first.contains(['.', '/', ':', '_']);
    let mut letters = text.chars();
    let start = letters.next().map(|letter| match is_name {
        true => letter.to_string(),
        false => letter.to_uppercase().to_string(),
    });
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", start.unwrap_or_default(), letters.as_str())
}
