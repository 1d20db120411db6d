//! What i3blocks says in the environment: which button was clicked, and which window a block is
//! for. A right click leaves a file behind, so that later runs show the same window.

use crate::cache::Cache;
use crate::io::env::Env;
use crate::io::files::{self, Replacement};
use crate::io::output::Log;
use crate::model::usage::Usage;
use std::path::PathBuf;

/// The exit status that makes i3blocks show a block as urgent.
pub(super) const URGENT: u8 = 33;

/// More bytes than any label has.
const MAX_BYTES: usize = 64;

/// What a run for a block is asked for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Clicks {
    /// Left click: fetch, however new the numbers are.
    pub(super) wants_fetch: bool,
    /// The label of the only limit to show. `None`: the whole line.
    pub(super) shown: Option<String>,
}

impl Clicks {
    /// Reads the environment, and what the last right click left. A right click in this run goes on
    /// to the next limit of `usage`. A block for one window (`BLOCK_INSTANCE`) stays with it.
    pub(super) fn of(env: &Env, cache: &Cache, usage: Option<&Usage>, log: &Log) -> Clicks {
        // 1: left button, 2: middle, 3: right, 4 and 5: wheel.
        let button = env.text("BLOCK_BUTTON");
        let wants_fetch = button.as_deref() == Some("1");
        if let Some(instance) = env.text("BLOCK_INSTANCE") {
            return Clicks { wants_fetch, shown: Some(instance) };
        }
        let labels: Vec<String> = usage
            .map(|usage| usage.limits().map(|limit| limit.label).collect())
            .unwrap_or_default();
        // A limit that the plan no longer has is forgotten.
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

/// The order of right clicks: the whole line, each limit alone, the whole line again.
fn next(shown: Option<&str>, labels: &[String]) -> Option<String> {
    match shown.and_then(|shown| labels.iter().position(|label| label == shown)) {
        Some(position) => labels.get(position + 1).cloned(),
        None => labels.first().cloned(),
    }
}

/// A file beside the entry. Its name differs by more than the ending, because a fetch may write to
/// the entry's name with another ending.
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
