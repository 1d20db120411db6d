//! Local activity: sessions, turns and tokens by day, from Codex's session files; and the newest
//! rate limits that stand in them.
//!
//! The path of a byte: [`tree`] finds files, [`lines`] splits them, [`sniff`] drops what is not
//! counted, [`line`] parses the rest (field by field, [`lenient`]), [`copies`] knows what is a
//! repetition, [`tally`] adds up the others into [`buckets`] (both by the state of a [`thread`]),
//! [`store`] keeps that between runs, [`report`] puts days together, [`today`] the present one for
//! the line. [`scan`] drives it for all files, reading only what is new; what forks repeat it looks
//! up in [`histories`]. [`snapshot`] is the other use of the same files.
//!
//! Of these, `scan`, `histories`, `tree`, `snapshot` and `store` (its file) touch the disk; nothing
//! knows a clock, an environment or a time zone but what is handed in.

pub mod ancestors;
pub mod buckets;
pub mod discover;
pub mod fork;
pub mod lenient;
pub mod prefilter;
pub mod rate_limits;
pub mod reader;
pub mod record;
pub mod report;
pub mod scan;
pub mod store;
pub mod tally;
pub mod thread;

use self::discover::Tree;
use self::scan::{Progress, ScanSummary, scan, scan_since};
use self::store::Store;
use crate::io::files::{self, Lock};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The state after [`refresh`].
#[derive(Debug)]
pub struct Refreshed<E = io::Error> {
    pub store: Store,
    pub outcome: ScanSummary,
    /// Why the store could not be kept: the next time everything new is read again.
    pub unsaved: Option<E>,
}

/// Brings the store at `place` up to date with the session files of `home` and keeps it there.
///
/// `place` needs a name of its own even without its extension: `.lock` and `.new` lie beside it. If
/// another process is at it, this one reads for itself and keeps nothing. `threads` and `watch`:
/// see [`scan`].
pub fn refresh(
    home: &Path,
    place: &Path,
    threads: usize,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Refreshed {
    let mut read = |keep: bool| {
        let (mut store, tree) = known_and_found(home, place);
        let outcome = scan(tree, &mut store, threads, watch);
        let saved = if keep && outcome.changed { store.save(place) } else { Ok(()) };
        Refreshed { store, outcome, unsaved: saved.err() }
    };
    let lock = place
        .parent()
        .map_or(Ok(()), files::create_private_directory)
        .and_then(|()| Lock::open(&lock_path(place)));
    match lock.and_then(|mut lock| lock.try_hold(|| read(true))) {
        Ok(Some(refreshed)) => refreshed,
        Ok(None) => read(false),
        Err(error) => Refreshed { unsaved: Some(error), ..read(false) },
    }
}

/// The store and the list of files, both at once: one is computing, the other mostly waiting for
/// the kernel.
fn known_and_found(home: &Path, place: &Path) -> (Store, Tree) {
    std::thread::scope(|scope| {
        let store = scope.spawn(|| Store::load(place));
        let tree = Tree::list(home);
        (store.join().unwrap_or_default(), tree)
    })
}

/// The lock of the store at `place`: its holder may replace it.
pub fn lock_path(place: &Path) -> PathBuf {
    place.with_extension("lock")
}

/// As [`refresh`], but of files not known yet only those that have been written to since a time.
/// For the holder of the lock; what is new is read on this thread.
pub fn refresh_since(home: &Path, place: &Path, since: SystemTime) -> Store {
    let (mut store, tree) = known_and_found(home, place);
    let mut watch = |_: Progress| ControlFlow::Continue(());
    let outcome = scan_since(tree, &mut store, Some(since), 1, &mut watch);
    if outcome.changed {
        // What cannot be kept is read again the next time.
        let _ = store.save(place);
    }
    store
}
