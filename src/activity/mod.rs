//! Reads Codex's session files. They give the local activity (sessions, turns and tokens by day)
//! and the newest rate limits that Codex wrote down.
//!
//! How a line becomes a count: [`discover`] finds the files, [`reader`] splits them into lines, and
//! [`prefilter`] drops the lines that are not counted. [`record`] parses the rest and tolerates
//! fields of an unexpected type ([`lenient`]). [`fork`] recognises lines that repeat another file.
//! [`tally`] adds up the others into [`buckets`]; the state of a file's reading is a [`thread`].
//! [`store`] keeps all that between runs, and [`report`] adds up the days.
//!
//! [`mod@scan`] runs this for all files and reads only what is new. [`ancestors`] looks up what a
//! fork repeats. [`rate_limits`] reads the same files for the newest rate limits.
//!
//! Only `discover`, `scan`, `ancestors`, `rate_limits` and `store` access the disk. No module reads
//! the clock, the environment or the time zone: callers pass these in.

pub(crate) mod ancestors;
pub(crate) mod buckets;
pub mod discover;
pub(crate) mod fork;
pub(crate) mod lenient;
pub(crate) mod prefilter;
pub mod rate_limits;
pub(crate) mod reader;
pub(crate) mod record;
pub mod report;
pub mod scan;
pub mod store;
pub(crate) mod tally;
pub(crate) mod thread;

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
    /// Why the store could not be saved. The next run then reads the new lines again.
    pub unsaved: Option<E>,
}

/// Brings the store at `place` up to date with the session files of `home`, and saves it.
///
/// The lock and the replacement are files beside `place` with the extensions `.lock` and `.new`, so
/// no other file in that directory may have the same stem. If another process holds the lock, this
/// one reads the files too, but saves nothing. For `threads` and `watch` see [`mod@scan`].
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

/// Loads the store and lists the files at the same time. The first needs the processor, and the
/// second mostly waits for the kernel.
fn known_and_found(home: &Path, place: &Path) -> (Store, Tree) {
    std::thread::scope(|scope| {
        let store = scope.spawn(|| Store::load(place));
        let tree = Tree::list(home);
        (store.join().unwrap_or_default(), tree)
    })
}

/// The path of the lock for the store at `place`. Only the holder of the lock may replace the
/// store.
pub fn lock_path(place: &Path) -> PathBuf {
    place.with_extension("lock")
}

/// Like [`refresh`], but leaves out files that are not in the store yet and were last written
/// before `since`. The caller must hold the lock. Files are read on the calling thread.
pub fn refresh_since(home: &Path, place: &Path, since: SystemTime) -> Store {
    let (mut store, tree) = known_and_found(home, place);
    let mut watch = |_: Progress| ControlFlow::Continue(());
    let outcome = scan_since(tree, &mut store, Some(since), 1, &mut watch);
    if outcome.changed {
        // What could not be saved is read again the next time.
        let _ = store.save(place);
    }
    store
}
