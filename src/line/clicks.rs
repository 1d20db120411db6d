//! What i3blocks tells a clicks beside its arguments, by environment: a click, and which window the clicks is for; and
//! what a click leaves behind for the runs after it.

use crate::cache::Cache;
use crate::io::env::Env;
use crate::io::files::{self, Replacement};
use crate::io::output::Log;
use crate::model::usage::Usage;
use std::path::PathBuf;

/// The exit status by which i3blocks shows a clicks as urgent.
pub const URGENT: u8 = 33;

/// Longer than any label of ours.
const MAX_BYTES: usize = 64;

/// What a clicks's run is for.
#[derive(Debug, Default, PartialEq)]
pub struct Clicks {
    /// Left click: fetch, whatever the age.
    pub wants_fetch: bool,
    /// The label of the only limit to show; `None`: the whole line.
    pub shown: Option<String>,
}

impl Clicks {
    /// Reads the environment and what the last right click left; a right click in this very run goes one on from there,
    /// through the limits of `usage`. A clicks that is for one window (`BLOCK_INSTANCE`) stays with it.
    pub fn of(env: &Env, cache: &Cache, usage: Option<&Usage>, log: &Log) -> Clicks {
        // 1 is the left button, 2 the middle one, 3 the right one, 4 and 5 the wheel.
        let button = env.text("BLOCK_BUTTON");
        let wants_fetch = button.as_deref() == Some("1");
        if let Some(instance) = env.text("BLOCK_INSTANCE") {
            return Clicks { wants_fetch, shown: Some(instance) };
        }
        let labels: Vec<String> = usage
            .map(|usage| usage.limits().map(|limit| limit.label).collect())
            .unwrap_or_default();
        // What the plan no longer has is not shown, and is no reason for a word either.
        let shown = read(cache).filter(|shown| labels.contains(shown));
        if button.as_deref() != Some("3") {
            return Clicks { wants_fetch, shown };
        }
        let shown = next(shown.as_deref(), &labels);
        if let Err(error) = write(cache, shown.as_deref()) {
            log.debug(format_args!("{}: {error}", path(cache).display()));
        }
        Clicks { wants_fetch, shown }
    }
}

/// The whole line, each limit alone, the whole line. Pure.
fn next(shown: Option<&str>, labels: &[String]) -> Option<String> {
    match shown.and_then(|shown| labels.iter().position(|label| label == shown)) {
        Some(position) => labels.get(position + 1).cloned(),
        None => labels.first().cloned(),
    }
}

/// Beside the entry. Not with its name and another ending: a fetch may be writing there.
fn path(cache: &Cache) -> PathBuf {
    let mut name = cache.entry_path().file_stem().unwrap_or_default().to_os_string();
    name.push("-shown");
    cache.entry_path().with_file_name(name)
}

fn read(cache: &Cache) -> Option<String> {
    let mut buffer = [0; MAX_BYTES];
    let bytes = files::read_once(&path(cache), &mut buffer).ok()?;
    Some(std::str::from_utf8(bytes).ok()?.trim().to_string())
}

fn write(cache: &Cache, shown: Option<&str>) -> std::io::Result<()> {
    let path = path(cache);
    match shown {
        Some(label) => Replacement::prepare(&path, MAX_BYTES)?.commit(label.as_bytes()),
        None => std::fs::remove_file(&path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_clicks_go_round() {
        let labels = ["5h".to_string(), "7d".to_string()];
        let check = |shown: Option<&str>, expected: Option<&str>| {
            assert_eq!(next(shown, &labels).as_deref(), expected, "{shown:?}");
        };
        check(None, Some("5h"));
        check(Some("5h"), Some("7d"));
        check(Some("7d"), None);
        check(Some("30d"), Some("5h"));
        assert_eq!(next(None, &[]), None);
    }
}
