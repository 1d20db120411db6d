//! The scanner of session files, on made-up homes with known totals: see `support/sessions.rs`.

use crate::support::sessions::{
    self, Disk, Random, Script, VERSIONS, Version, Work, Writer, archive, by_day, compress,
};
use codexline::activity::discover::Tree;
use codexline::activity::rate_limits::{self, Snapshot, SnapshotOrigin};
use codexline::activity::report::Report;
use codexline::activity::scan::{Progress, ScanSummary, scan};
use codexline::activity::store::Store;
use codexline::model::time::Timestamp;
use codexline::model::today::Counts;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A home of its own, removed at the end.
struct Home(PathBuf);

impl Home {
    fn new() -> Home {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir()
            .join(format!("codexline-activity-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn append(&self, file: &str, text: &[u8]) {
        use std::io::Write;
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// As `scan`, without anything that cannot be read.
fn update(home: &Path, store: &mut Store) -> ScanSummary {
    let outcome = scan(Tree::list(home), store, 2, &mut go_on);
    assert!(outcome.complete && outcome.unreadable.is_empty(), "{outcome:?}");
    outcome
}

fn zone() -> TimeZone {
    TimeZone::get("America/St_Johns").unwrap_or(TimeZone::fixed(jiff::tz::offset(-3)))
}

fn all_days(store: &Store) -> Report {
    store.report(&zone(), Date::MIN..=Date::MAX)
}

fn plain(counts: &Counts) -> sessions::Counts {
    let Counts { sessions, turns, .. } = *counts;
    let tokens = [
        counts.input_tokens,
        counts.cached_input_tokens,
        counts.output_tokens,
        counts.reasoning_output_tokens,
        counts.total_tokens,
    ];
    (sessions, turns, tokens)
}

#[track_caller]
fn assert_counts(store: &Store, work: &[Work]) {
    let report = all_days(store);
    let days: BTreeMap<String, sessions::Counts> =
        report.days.iter().map(|day| (day.date.to_string(), plain(&day.counts))).collect();
    let (expected, total) = by_day(work, &zone());
    // A few are enough to see what is wrong.
    let differing = days
        .keys()
        .chain(expected.keys())
        .filter(|day| days.get(*day) != expected.get(*day))
        .take(6);
    let found: Vec<_> = differing.map(|day| (day, days.get(day), expected.get(day))).collect();
    assert!(found.is_empty(), "(day, found, expected): {found:#?}");
    assert_eq!(plain(&report.total), total);
}

fn scanned(home: &Path) -> Store {
    let mut store = Store::default();
    update(home, &mut store);
    store
}

/// A home with the given things done in it.
fn played<'a>(home: &Home, play: impl FnOnce(&mut Writer<Disk>) + 'a) -> Vec<Work> {
    let mut writer = Writer::new(7, Disk::new(home.path()));
    play(&mut writer);
    assert!(!writer.work.is_empty());
    writer.work
}

#[test]
fn each_version_has_the_totals_that_were_made_up() {
    for version in VERSIONS {
        let home = Home::new();
        let work = played(&home, |codex| {
            let session = codex.begin(version);
            codex.turn(session);
            codex.failed_turn(session);
            codex.resume(session);
            let other = codex.begin(version);
            codex.turn(other);
            codex.failed_turn(other);
        });
        eprintln!("{version:?}");
        assert_counts(&scanned(home.path()), &work);
    }
}

#[test]
fn what_a_fork_repeats_is_not_counted_again() {
    for version in VERSIONS {
        let home = Home::new();
        let work = played(&home, |codex| {
            let parent = codex.begin(version);
            codex.turn(parent);
            codex.failed_turn(parent);
            codex.turn(parent);
            let child = codex.fork(parent).unwrap();
            codex.turn(child);
            codex.turn(parent);
            let grandchild = codex.fork(child).unwrap();
            codex.turn(grandchild);
            codex.failed_turn(grandchild);
            codex.turn(child);
            codex.spawn(parent);
            // One in which nothing is done.
            codex.fork(parent).unwrap();
        });
        eprintln!("{version:?}");
        assert_counts(&scanned(home.path()), &work);
    }
}

#[test]
fn a_fork_of_a_deleted_session_counts_its_own_work_only() {
    for version in VERSIONS {
        let home = Home::new();
        let mut work = played(&home, |codex| {
            let parent = codex.begin(version);
            codex.turn(parent);
            codex.turn(parent);
            let child = codex.fork(parent).unwrap();
            codex.turn(child);
        });
        let parent = work[0].file.clone();
        fs::remove_file(home.path().join(&parent)).unwrap();
        work.retain(|work| work.file != parent);
        eprintln!("{version:?}");
        assert_counts(&scanned(home.path()), &work);
    }
}

#[test]
fn a_parent_that_comes_later_takes_its_history_back() {
    let home = Home::new();
    let work = played(&home, |codex| {
        let parent = codex.begin(Version::Plain);
        codex.turn(parent);
        let child = codex.fork(parent).unwrap();
        codex.turn(child);
    });
    let (parent, aside) = (home.path().join(&work[0].file), home.path().join("aside"));
    fs::rename(&parent, &aside).unwrap();
    let mut store = scanned(home.path());
    fs::rename(&aside, &parent).unwrap();
    update(home.path(), &mut store);
    assert_counts(&store, &work);
}

#[test]
fn equal_steps_after_a_fork_are_not_taken_for_copies() {
    // Parent and child go on alike: their totals are the same, and both count.
    let home = Home::new();
    let line = |time: &str, total: u64| {
        let total = format!(r#"{{"input_tokens":{total},"output_tokens":1}}"#);
        let payload = format!(r#"{{"type":"token_count","info":{{"total_token_usage":{total}}}}}"#);
        format!(r#"{{"timestamp":"2026-11-20T10:{time}Z","type":"event_msg","payload":{payload}}}"#)
            + "\n"
    };
    let meta = |id: &str, more: &str, time: &str| {
        let payload = format!(r#"{{"id":"{id}"{more}}}"#);
        format!(
            r#"{{"timestamp":"2026-11-20T10:{time}Z","type":"session_meta","payload":{payload}}}"#
        ) + "\n"
    };
    let parent = [meta("a", "", "00:00"), line("00:05", 100), line("20:00", 200)].concat();
    let child =
        [meta("b", r#","forked_from_id":"a""#, "10:00"), line("10:00", 100), line("30:00", 200)]
            .concat();
    home.append("sessions/2026/11/20/rollout-1-a.jsonl", parent.as_bytes());
    home.append("sessions/2026/11/20/rollout-2-b.jsonl", child.as_bytes());
    let total = all_days(&scanned(home.path())).total;
    assert_eq!((total.sessions, total.input_tokens), (2, 300));
}

#[test]
fn a_fork_that_copies_a_reverted_thread_counts_its_own_work_only() {
    let home = Home::new();
    let line = |time: &str, ordinal: u64, kind: &str, payload: &str| {
        let head = format!(r#""timestamp":"2026-11-20T10:{time}Z","ordinal":{ordinal}"#);
        format!(r#"{{{head},"type":"{kind}","payload":{{{payload}}}}}"#) + "\n"
    };
    let meta = |time: &str, ordinal: u64, id: &str, more: &str| {
        line(time, ordinal, "session_meta", &format!(r#""id":"{id}"{more}"#))
    };
    let count = |time: &str, ordinal: u64, total: u64, last: u64| {
        let [total, last] = [total, last].map(|tokens| format!(r#"{{"input_tokens":{tokens}}}"#));
        let info = format!(r#"{{"total_token_usage":{total},"last_token_usage":{last}}}"#);
        line(time, ordinal, "event_msg", &format!(r#""type":"token_count","info":{info}"#))
    };
    let begin = [meta("00:00", 0, "a", ""), count("00:05", 1, 100, 100)].concat();
    let taken_back = count("01:00", 2, 200, 100);
    let base = r#","history_base":{"thread_id":"a","end_ordinal_exclusive":2}"#;
    let segment = [meta("02:00", 2, "a", base), count("03:00", 3, 150, 50)].concat();
    // The history that the revert has left, with the fork's time: the lines of both files.
    let fork = [
        meta("10:00", 0, "b", r#","forked_from_id":"a""#),
        count("10:00", 1, 100, 100),
        count("10:03", 2, 150, 50),
        count("11:00", 3, 170, 20),
    ]
    .concat();
    home.append("sessions/2026/11/20/rollout-1-a.jsonl", (begin + &taken_back).as_bytes());
    home.append("sessions/2026/11/20/rollout-2-a_1.jsonl", segment.as_bytes());
    home.append("sessions/2026/11/20/rollout-3-b.jsonl", fork.as_bytes());
    let total = all_days(&scanned(home.path())).total;
    assert_eq!((total.sessions, total.input_tokens), (2, 100 + 100 + 50 + 20));
    // A copy of the fork is no work either, nor is what another fork copies from the fork.
    home.append("sessions/2026/11/20/rollout-3-b.sync-conflict-1.jsonl", fork.as_bytes());
    let fork_of_fork = [
        meta("20:00", 0, "c", r#","forked_from_id":"b""#),
        count("20:00", 1, 100, 100),
        count("20:03", 2, 150, 50),
        count("20:06", 3, 170, 20),
        count("21:00", 4, 180, 10),
    ]
    .concat();
    home.append("sessions/2026/11/20/rollout-4-c.jsonl", fork_of_fork.as_bytes());
    let total = all_days(&scanned(home.path())).total;
    assert_eq!((total.sessions, total.input_tokens), (3, 270 + 10));
}

#[test]
fn archived_and_compressed_files_count_once() {
    let home = Home::new();
    let work = played(&home, |codex| (0..60).for_each(|_| codex.step()));
    let mut store = scanned(home.path());
    assert_counts(&store, &work);
    let mut files: Vec<String> = work.iter().map(|work| work.file.clone()).collect();
    files.sort();
    files.dedup();
    for (number, file) in files.iter().enumerate() {
        match number % 4 {
            0 => drop(archive(home.path(), file)),
            1 => drop(compress(home.path(), file)),
            2 => drop(compress(home.path(), &archive(home.path(), file))),
            _ => {
                // Both are there while Codex is at it.
                let text = fs::read(home.path().join(file)).unwrap();
                compress(home.path(), file);
                fs::write(home.path().join(file), text).unwrap();
            }
        }
    }
    update(home.path(), &mut store);
    assert_counts(&store, &work);
    assert_counts(&scanned(home.path()), &work);
}

#[test]
fn a_copy_under_another_name_counts_once_and_the_longest_counts() {
    for version in VERSIONS {
        let home = Home::new();
        let mut codex = Writer::new(7, Disk::new(home.path()));
        let session = codex.begin(version);
        codex.turn(session);
        let file = codex.work[0].file.clone();
        let copy_as = |name: &str| {
            let target = home.path().join(name);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(home.path().join(&file), target).unwrap();
        };
        let stem = file.strip_suffix(".jsonl").unwrap();
        copy_as(&format!("{stem}.sync-conflict-20261122-1.jsonl"));
        copy_as(&format!("{stem} (1).jsonl"));
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
        copy_as(&format!("sessions/backup/{name}"));
        compress(home.path(), &format!("{stem} (1).jsonl"));
        let mut store = scanned(home.path());
        assert_counts(&store, &codex.work);
        // The original goes on: it is the longest now.
        codex.turn(session);
        update(home.path(), &mut store);
        assert_counts(&store, &codex.work);
        assert_counts(&scanned(home.path()), &codex.work);
        // One that went on elsewhere, and longer than the original.
        copy_as(&format!("archived_sessions/{name}"));
        let longest = fs::read(home.path().join(&file)).unwrap();
        let end = longest[..longest.len() / 2].iter().rposition(|byte| *byte == b'\n').unwrap();
        fs::write(home.path().join(&file), &longest[..=end]).unwrap();
        update(home.path(), &mut store);
        assert_counts(&store, &codex.work);
        assert_counts(&scanned(home.path()), &codex.work);
        eprintln!("{version:?}");
    }
}

#[test]
fn a_moved_file_is_not_read_again() {
    let home = Home::new();
    let work = played(&home, |codex| {
        let session = codex.begin(Version::Paginated);
        codex.turn(session);
    });
    let mut store = scanned(home.path());
    archive(home.path(), &work[0].file);
    let outcome = update(home.path(), &mut store);
    assert_eq!((outcome.files, outcome.bytes, outcome.changed), (1, 0, false));
    assert_counts(&store, &work);
}

#[test]
fn nothing_new_is_nothing_read() {
    let home = Home::new();
    played(&home, |codex| (0..40).for_each(|_| codex.step()));
    let mut store = scanned(home.path());
    let before = store.clone();
    let outcome = update(home.path(), &mut store);
    assert!(!outcome.changed && outcome.bytes == 0);
    assert_eq!(store, before);
}

#[test]
fn only_what_is_new_is_read() {
    let home = Home::new();
    let mut writer = Writer::new(3, Disk::new(home.path()));
    let session = writer.begin(Version::Paginated);
    (0..20).for_each(|_| writer.turn(session));
    let mut store = scanned(home.path());
    let before = writer.sink.bytes;
    writer.turn(session);
    let outcome = update(home.path(), &mut store);
    assert_eq!(outcome.bytes, writer.sink.bytes - before);
    assert_counts(&store, &writer.work);
}

#[test]
fn a_half_written_last_line_waits() {
    let home = Home::new();
    let mut writer = Writer::new(3, Script::default());
    let session = writer.begin(Version::Legacy);
    writer.turn(session);
    let complete = writer.work.clone();
    writer.turn(session);
    let text = writer.sink.0.iter().map(|(_, text)| text.as_str()).collect::<String>();
    let last =
        writer.sink.0.iter().rposition(|(_, text)| text.contains("token_usage_record")).unwrap();
    let (file, line) = &writer.sink.0[last];
    let end = text.find(line).unwrap() + line.len();
    let mut store = Store::default();
    home.append(file, &text.as_bytes()[..end - 1]);
    update(home.path(), &mut store);
    let half = all_days(&store).total;
    assert!(half.total_tokens < by_day(&writer.work, &zone()).1.2[4], "{complete:?}");
    home.append(file, &text.as_bytes()[end - 1..]);
    update(home.path(), &mut store);
    assert_counts(&store, &writer.work);
}

#[test]
fn rewritten_files_are_read_anew() {
    let home = Home::new();
    let mut writer = Writer::new(3, Script::default());
    let session = writer.begin(Version::Middle);
    (0..5).for_each(|_| writer.turn(session));
    let file = writer.sink.0[0].0.clone();
    let text: String = writer.sink.0.iter().map(|(_, text)| text.as_str()).collect();
    let path = home.path().join(&file);
    // Longer than the other one, in place.
    home.append(&file, format!("{{\"type\":\"response_item\"}}\n{text}{text}").as_bytes());
    let mut store = scanned(home.path());
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&path);
    fs::write(&path, &text).unwrap();
    assert_eq!(inode(&path), before);
    update(home.path(), &mut store);
    assert_counts(&store, &writer.work);
    // Longer than what was read.
    fs::write(&path, format!("{{\"type\":\"response_item\"}}\n{text}")).unwrap();
    update(home.path(), &mut store);
    assert_counts(&store, &writer.work);
    // By another file of the same size.
    let other = text.replace("token_count", "token_coun_");
    fs::remove_file(&path).unwrap();
    home.append(&file, other.as_bytes());
    update(home.path(), &mut store);
    assert_eq!(all_days(&store).total.total_tokens, 0);
}

#[test]
fn a_removed_file_does_not_count_and_is_not_forgotten_at_once() {
    let home = Home::new();
    let work = played(&home, |codex| {
        let session = codex.begin(Version::Legacy);
        codex.turn(session);
    });
    let path = home.path().join(&work[0].file);
    let aside = home.path().join("aside");
    let mut store = scanned(home.path());
    fs::rename(&path, &aside).unwrap();
    update(home.path(), &mut store);
    assert_eq!(all_days(&store), Report::default());
    fs::rename(&aside, &path).unwrap();
    assert_eq!(update(home.path(), &mut store).bytes, 0);
    assert_counts(&store, &work);
    fs::remove_file(&path).unwrap();
    (0..3).for_each(|_| drop(update(home.path(), &mut store)));
    assert_eq!(store, Store::default());
}

#[test]
fn a_scan_that_is_broken_off_goes_on_where_it_was() {
    let home = Home::new();
    let mut writer = Writer::new(9, Disk::new(home.path()));
    (writer.talk, writer.chatter) = (50_000..200_000, 4);
    (0..25).for_each(|_| writer.step());
    let mut store = Store::default();
    let (mut rounds, mut bytes) = (0, 0);
    loop {
        let outcome = scan(Tree::list(home.path()), &mut store, 1, &mut |progress| {
            if progress.done > 1_000_000 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        bytes += outcome.bytes;
        rounds += 1;
        if outcome.complete {
            break;
        }
    }
    assert!(rounds > 3, "{rounds} rounds for {} bytes", writer.sink.bytes);
    assert!(bytes < 3 * writer.sink.bytes, "{bytes} of {}", writer.sink.bytes);
    assert_counts(&store, &writer.work);
}

#[test]
fn damaged_compressed_files_count_as_far_as_they_can_be_read() {
    let home = Home::new();
    let work = played(&home, |codex| {
        let session = codex.begin(Version::Legacy);
        codex.turn(session);
    });
    let packed = home.path().join(compress(home.path(), &work[0].file));
    let bytes = fs::read(&packed).unwrap();
    fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    let mut store = scanned(home.path());
    fs::write(&packed, b"no such format").unwrap();
    update(home.path(), &mut store);
    fs::write(&packed, bytes).unwrap();
    update(home.path(), &mut store);
    assert_counts(&store, &work);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_counts() {
    let home = Home::new();
    let work = played(&home, |codex| {
        let session = codex.begin(Version::Legacy);
        codex.turn(session);
    });
    // A link to itself: also root cannot read it.
    std::os::unix::fs::symlink("archived_sessions", home.path().join("archived_sessions")).unwrap();
    let mut store = Store::default();
    let outcome = scan(Tree::list(home.path()), &mut store, 1, &mut go_on);
    assert_eq!(outcome.unreadable.len(), 1);
    assert!(outcome.unreadable[0].0.ends_with("archived_sessions"));
    assert_counts(&store, &work);
}

#[test]
fn a_home_without_sessions_is_empty() {
    let home = Home::new();
    assert_eq!(all_days(&scanned(home.path())), Report::default());
}

#[test]
fn the_store_is_kept_and_a_broken_one_is_made_anew() {
    let home = Home::new();
    let work = played(&home, |codex| (0..30).for_each(|_| codex.step()));
    let place = home.path().join("cache/home-activity.bin");
    let refresh = || {
        let refreshed = codexline::activity::refresh(home.path(), &place, 1, &mut go_on);
        assert!(refreshed.unsaved.is_none(), "{:?}", refreshed.unsaved);
        assert_counts(&refreshed.store, &work);
        refreshed.outcome.bytes
    };
    let first = refresh();
    assert!(first > 0);
    assert_eq!(refresh(), 0);
    let bytes = fs::read(&place).unwrap();
    for broken in [&b""[..], &bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat(), b"{}"] {
        fs::write(&place, broken).unwrap();
        assert_eq!(refresh(), first);
    }
    for at in (0..bytes.len()).step_by(97) {
        let mut broken = bytes.clone();
        broken[at] ^= 1;
        assert_eq!(Store::decode(&broken), None, "{at}");
    }
}

#[test]
fn a_store_that_another_process_is_at_is_left_alone() {
    let home = Home::new();
    let work = played(&home, |codex| (0..5).for_each(|_| codex.step()));
    let place = home.path().join("cache/home-activity.bin");
    fs::create_dir(home.path().join("cache")).unwrap();
    let mut lock = codexline::io::files::Lock::open(&place.with_extension("lock")).unwrap();
    lock.try_hold(|| {
        let refreshed = codexline::activity::refresh(home.path(), &place, 1, &mut go_on);
        assert!(refreshed.unsaved.is_none());
        assert_counts(&refreshed.store, &work);
    })
    .unwrap()
    .unwrap();
    assert!(!place.exists());
}

#[test]
fn days_are_those_of_the_zone() {
    let home = Home::new();
    let line = |id: u32, time: &str| {
        let payload = format!(r#"{{"response_id":"r{id}","usage":{{"input_tokens":1}}}}"#);
        format!(r#"{{"timestamp":"{time}","type":"token_usage_record","payload":{payload}}}"#)
            + "\n"
    };
    // The clocks in Berlin go back on 2026-10-25: that day has 25 hours.
    let text = [
        line(1, "2026-10-24T21:59:59.999Z"),
        line(2, "2026-10-24T22:00:00Z"),
        line(3, "2026-10-25T22:59:59Z"),
        line(4, "2026-10-25T23:00:00+00:00"),
        line(5, "2026-10-26T12:00:00+13:00"),
    ];
    home.append("sessions/2026/10/24/rollout-1.jsonl", text.concat().as_bytes());
    let store = scanned(home.path());
    let days = |zone: &str, dates| {
        let report = store.report(&TimeZone::get(zone).unwrap(), dates);
        assert_eq!(report.total.sessions, 1);
        assert_eq!(
            report.total.input_tokens,
            report.days.iter().map(|day| day.counts.input_tokens).sum::<u64>()
        );
        let days =
            report.days.iter().map(|day| format!("{} {}", day.date, day.counts.input_tokens));
        days.collect::<Vec<_>>()
    };
    let all = Date::MIN..=Date::MAX;
    assert_eq!(
        days("Europe/Berlin", all.clone()),
        ["2026-10-24 1", "2026-10-25 2", "2026-10-26 2"]
    );
    assert_eq!(days("Europe/Berlin", date(2026, 10, 25)..=date(2026, 10, 25)), ["2026-10-25 2"]);
    assert_eq!(days("Asia/Kathmandu", all), ["2026-10-25 2", "2026-10-26 3"]);
    let report = store.report(&TimeZone::UTC, date(2026, 10, 24)..=date(2026, 10, 26));
    assert_eq!(report.on(date(2026, 10, 25)).sessions, 1);
    assert_eq!(report.on(date(2026, 10, 26)), Counts::default());
}

#[test]
fn a_report_has_the_keys_that_are_documented() {
    let home = Home::new();
    played(&home, |codex| {
        let session = codex.begin(Version::Paginated);
        codex.turn(session);
    });
    let report = serde_json::to_value(all_days(&scanned(home.path()))).unwrap();
    let keys = |value: &serde_json::Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let counts = [
        "cached_input_tokens",
        "input_tokens",
        "output_tokens",
        "reasoning_output_tokens",
        "sessions",
        "total_tokens",
        "turns",
    ];
    assert_eq!(keys(&report), ["days", "total"]);
    assert_eq!(keys(&report["total"]), counts);
    assert_eq!(keys(&report["days"][0]), [&counts[..1], &["date"], &counts[1..]].concat());
    assert_eq!(report["days"][0]["date"], "2026-11-19");
}

/// A file with a `session_meta` of `acc-1` (and `more` in it) and one line for each of `limits`, a
/// minute apart.
fn with_limits(home: &Home, file: &str, more: &str, begun: i64, limits: &[&str]) -> PathBuf {
    let time = |minutes: i64| Timestamp::from_unix_seconds(begun + 60 * minutes).rfc3339();
    let meta = format!(r#"{{"id":"a","creator_account_id":"acc-1"{more}}}"#);
    let mut text =
        format!(r#"{{"timestamp":"{}","type":"session_meta","payload":{meta}}}"#, time(0)) + "\n";
    for (limits, minutes) in limits.iter().zip(1..) {
        let count = format!(r#"{{"type":"token_count","info":null,"rate_limits":{limits}}}"#);
        text +=
            &format!(r#"{{"timestamp":"{}","type":"event_msg","payload":{count}}}"#, time(minutes));
        text += "\n";
    }
    home.append(file, text.as_bytes());
    let path = home.path().join(file);
    let modified = std::time::UNIX_EPOCH
        + std::time::Duration::from_secs(begun as u64 + 60 * limits.len() as u64);
    fs::File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
    path
}

const NOW: i64 = 1_795_368_000;

fn window(used: f64, minutes: u32, resets_at: i64) -> String {
    format!(r#"{{"used_percent":{used},"window_minutes":{minutes},"resets_at":{resets_at}}}"#)
}

fn limits(primary: &str, secondary: &str) -> String {
    format!(
        r#"{{"limit_id":"codex","primary":{primary},"secondary":{secondary},"plan_type":"plus"}}"#
    )
}

/// The newest snapshot in files of this account, and in those that do not say whose they are.
fn newest_of(home: &Home, account: &str) -> Option<Snapshot> {
    let wanted = |origin: &SnapshotOrigin| origin.account.is_none_or(|named| named == account);
    rate_limits::newest(&Tree::list(home.path()), &wanted, Timestamp::from_unix_seconds(NOW))
}

/// The used percentages of the newest snapshot.
fn newest(home: &Home) -> Option<Vec<f64>> {
    let snapshot = newest_of(home, "acc-1")?;
    Some(snapshot.windows.iter().map(|window| window.used_percent).collect())
}

#[test]
fn the_newest_limits_are_those_of_the_last_line_that_has_some() {
    let home = Home::new();
    assert_eq!(newest(&home), None);
    let (five_hours, week) = (window(36.0, 300, NOW + 60), window(99.0, 10_080, NOW + 600));
    let other_pool =
        limits(&window(1.0, 300, NOW + 60), "null").replace("\"codex\"", "\"codex_spark\"");
    let told = [
        &limits(&window(20.0, 300, NOW + 60), "null"),
        &limits(&five_hours, &week),
        &limits("null", "null"),
        &other_pool,
        "null",
    ];
    let path = with_limits(&home, "sessions/2026/11/22/rollout-1.jsonl", "", NOW - 3600, &told);
    let snapshot = newest_of(&home, "acc-1").unwrap();
    assert_eq!(snapshot.time.unix_seconds(), NOW - 3600 + 120);
    assert_eq!(snapshot.plan.as_deref(), Some("plus"));
    let windows: Vec<_> = snapshot
        .windows
        .iter()
        .map(|window| {
            (window.used_percent, window.minutes, window.resets_at.map(Timestamp::unix_seconds))
        })
        .collect();
    assert_eq!(windows, [(36.0, Some(300), Some(NOW + 60)), (99.0, Some(10_080), Some(NOW + 600))]);
    // A half-written line says nothing yet.
    let half = fs::read_to_string(&path).unwrap().lines().nth(2).unwrap().replace("36", "37");
    home.append("sessions/2026/11/22/rollout-1.jsonl", half.as_bytes());
    assert_eq!(newest(&home), Some(vec![36.0, 99.0]));
    home.append("sessions/2026/11/22/rollout-1.jsonl", b"\n");
    assert_eq!(newest(&home), Some(vec![37.0, 99.0]));
}

#[test]
fn limits_whose_reset_has_passed_are_gone() {
    let home = Home::new();
    let file = "sessions/2026/11/22/rollout-1.jsonl";
    with_limits(
        &home,
        file,
        "",
        NOW - 3600,
        &[&limits(&window(80.0, 300, NOW), &window(7.0, 10_080, NOW + 1))],
    );
    assert_eq!(newest(&home), Some(vec![7.0]));
    // The newest line counts, not the newest that would still hold.
    with_limits(
        &home,
        "sessions/2026/11/22/rollout-2.jsonl",
        "",
        NOW - 60,
        &[&limits(&window(1.0, 300, NOW), "null")],
    );
    assert_eq!(newest(&home), None);
}

#[test]
fn old_versions_tell_resets_from_the_line_on() {
    let home = Home::new();
    let told = concat!(
        r#"{"primary":{"used_percent":12.5,"window_minutes":300,"resets_in_seconds":3600},"#,
        r#""secondary":null}"#,
    );
    with_limits(&home, "archived_sessions/rollout-1.jsonl", "", NOW - 120, &[told]);
    let snapshot = newest_of(&home, "acc-1").unwrap();
    assert_eq!(snapshot.windows[0].resets_at.unwrap().unix_seconds(), NOW - 60 + 3600);
}

#[test]
fn another_accounts_limits_are_not_shown() {
    let home = Home::new();
    let mine = limits(&window(10.0, 300, NOW + 60), "null");
    let theirs = limits(&window(90.0, 300, NOW + 60), "null");
    with_limits(&home, "sessions/rollout-1.jsonl", "", NOW - 3600, &[&mine]);
    let path = with_limits(&home, "sessions/rollout-2.jsonl", "", NOW - 60, &[&theirs]);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("acc-1", "acc-2")).unwrap();
    assert_eq!(newest(&home), Some(vec![10.0]));
    // A file that does not say whose it is counts if who asks wants it.
    fs::write(&path, text.replace(r#","creator_account_id":"acc-1""#, "")).unwrap();
    assert_eq!(newest(&home), Some(vec![90.0]));
    let wanted = |origin: &SnapshotOrigin| origin.account == Some("acc-1");
    let now = Timestamp::from_unix_seconds(NOW);
    let snapshot = rate_limits::newest(&Tree::list(home.path()), &wanted, now).unwrap();
    assert_eq!(snapshot.windows[0].used_percent, 10.0);
}

#[test]
fn a_line_from_the_future_is_not_the_newest() {
    let home = Home::new();
    let check = |ahead: i64, used: f64| {
        let file = format!("sessions/rollout-{ahead}.jsonl");
        let told = limits(&window(used, 300, NOW + 90_000), "null");
        with_limits(&home, &file, "", NOW + ahead - 60, &[&told]);
        newest(&home)
    };
    assert_eq!(check(-600, 10.0), Some(vec![10.0]));
    assert_eq!(check(50, 20.0), Some(vec![20.0]), "clocks step back a little");
    assert_eq!(check(86_400, 30.0), Some(vec![20.0]), "the clock of another day");
}

#[test]
fn a_window_ends_its_length_after_it_was_told_of() {
    let home = Home::new();
    let told = concat!(
        r#"{"primary":{"used_percent":12.5,"window_minutes":300},"#,
        r#""secondary":{"used_percent":2,"window_minutes":10080,"resets_at":null}}"#,
    );
    with_limits(&home, "sessions/rollout-1.jsonl", "", NOW - 60 - 18_000, &[told]);
    assert_eq!(newest(&home), Some(vec![2.0]));
}

#[test]
fn what_a_fork_repeats_is_older_than_it_says() {
    let home = Home::new();
    let now = limits(&window(50.0, 300, NOW + 60), "null");
    with_limits(&home, "sessions/rollout-1.jsonl", "", NOW - 120, &[&now]);
    let path = with_limits(
        &home,
        "sessions/rollout-2.jsonl",
        r#","forked_from_id":"b""#,
        NOW - 30,
        &[&limits(&window(3.0, 300, NOW + 60), "null")],
    );
    // A minute after the fork it would be the fork's own.
    assert_eq!(newest(&home), Some(vec![3.0]));
    let begun = Timestamp::from_unix_seconds(NOW - 30).rfc3339();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&Timestamp::from_unix_seconds(NOW + 30).rfc3339(), &begun))
        .unwrap();
    assert_eq!(newest(&home), Some(vec![50.0]));
}

#[test]
fn limits_are_found_behind_long_lines_and_in_compressed_files() {
    let home = Home::new();
    let file = "sessions/2026/11/22/rollout-1.jsonl";
    with_limits(&home, file, "", NOW - 3600, &[&limits(&window(36.0, 300, NOW + 60), "null")]);
    for length in [10, 300_000, 2_000_000] {
        let line =
            format!("{{\"type\":\"response_item\",\"payload\":\"{}\"}}\n", "x".repeat(length));
        home.append(file, line.as_bytes());
    }
    assert_eq!(newest(&home), Some(vec![36.0]));
    compress(home.path(), &archive(home.path(), file));
    assert_eq!(newest(&home), Some(vec![36.0]));
}

/// What happens to files while somebody reads them.
fn disturb(home: &Home, random: &mut Random, script: &Script, store: &mut Store) {
    let scan_now = |random: &mut Random, store: &mut Store| {
        if random.one_in(6) {
            let outcome = scan(Tree::list(home.path()), store, 1, &mut go_on);
            assert!(outcome.unreadable.is_empty(), "{outcome:?}");
        }
        if random.one_in(20) {
            *store = Store::decode(&store.encode()).unwrap();
        }
    };
    let mut moved: BTreeMap<&str, String> = BTreeMap::new();
    for (file, text) in &script.0 {
        // Codex unpacks and unarchives what it goes on with.
        if let Some(place) = moved.remove(file.as_str()) {
            let from = home.path().join(&place);
            let text = if place.ends_with(".zst") {
                zstd::decode_all(&fs::read(&from).unwrap()[..]).unwrap()
            } else {
                fs::read(&from).unwrap()
            };
            if place.ends_with(".zst") {
                home.append(file, &text);
                fs::remove_file(&from).unwrap();
            } else {
                fs::rename(&from, home.path().join(file)).unwrap();
            }
        }
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let count = if random.one_in(3) {
                random.below(rest.len() as u64) as usize + 1
            } else {
                rest.len()
            };
            home.append(file, &rest[..count]);
            rest = &rest[count..];
            scan_now(random, store);
        }
        if random.one_in(15) {
            // Cut off, seen so, and written again: a machine that went down and a copy that was put
            // back.
            let path = home.path().join(file);
            let whole = fs::read(&path).unwrap();
            let keep = random.below(whole.len() as u64) as usize;
            fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(keep as u64).unwrap();
            scan_now(random, store);
            home.append(file, &whole[keep..]);
        }
        if random.one_in(25) {
            let mut place = file.clone();
            if random.one_in(2) {
                place = archive(home.path(), &place);
            }
            if random.one_in(2) {
                place = compress(home.path(), &place);
            }
            if place != *file {
                moved.insert(file, place);
            }
            scan_now(random, store);
        }
    }
}

proptest! {
    #![proptest_config(crate::support::cases(48))]

    #[test]
    fn scanning_while_files_are_written_cut_and_moved_gives_what_one_scan_gives(
        seed in any::<u64>(),
    ) {
        let mut writer = Writer::new(seed, Script::default());
        (0..15).for_each(|_| writer.step());
        let home = Home::new();
        let mut store = Store::default();
        disturb(&home, &mut Random::new(!seed), &writer.sink, &mut store);
        update(home.path(), &mut store);
        assert_counts(&scanned(home.path()), &writer.work);
        assert_counts(&store, &writer.work);
    }

    #[test]
    fn a_store_reads_back_as_it_was(seed in any::<u64>()) {
        let home = Home::new();
        let mut writer = Writer::new(seed, Disk::new(home.path()));
        (0..8).for_each(|_| writer.step());
        let store = scanned(home.path());
        prop_assert_eq!(Store::decode(&store.encode()), Some(store));
    }

    #[test]
    fn no_bytes_do_harm(
        seed in any::<u64>(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        tail in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut writer = Writer::new(seed, Script::default());
        (0..4).for_each(|_| writer.step());
        let home = Home::new();
        for (file, text) in sessions::contents(&writer.sink) {
            let mut bytes = text.into_bytes();
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            bytes.extend_from_slice(&tail);
            home.append(&file, &bytes);
        }
        home.append("sessions/rollout-x.jsonl", &tail);
        home.append("sessions/rollout-y.jsonl.zst", &tail);
        let store = scanned(home.path());
        let _ = all_days(&store);
        let now = Timestamp::from_unix_seconds(NOW);
        let _ = rate_limits::newest(&Tree::list(home.path()), &|_| true, now);
        prop_assert_eq!(Store::decode(&store.encode()), Some(store));
        let _ = Store::decode(&tail);
    }
}
