//! `codexline activity`, on made-up sessions of the last days with known totals.

use crate::support::home::{Home, Output, TempDir, collect};
use crate::support::sessions::{Counts, Disk, Version, Work, Writer, archive, by_day, compress};
use crate::support::{eventually, now};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

/// Local days differ from those of UTC, also in the half hour.
const ZONE: &str = "XXX3:30";
const DAY: i64 = 86_400_000;

fn home() -> Home {
    let mut home = Home::signed_out();
    home.set("TZ", ZONE);
    home
}

fn zone() -> TimeZone {
    TimeZone::posix(ZONE).unwrap()
}

/// Nine days of work that end before now.
fn played(home: &Home) -> Writer<Disk> {
    played_in(&home.codex_home(), 3)
}

fn played_in(home: &Path, seed: u64) -> Writer<Disk> {
    let mut codex = Writer::new(seed, Disk::new(home));
    codex.clock = now() * 1000 - 9 * DAY;
    while codex.clock < now() * 1000 - DAY {
        codex.step();
    }
    assert!(codex.work.len() > 50, "{}", codex.work.len());
    codex
}

fn counts(value: &Value) -> Counts {
    let number = |key: &str| value[key].as_u64().unwrap_or_else(|| panic!("no {key} in {value}"));
    let tokens = [
        number("input_tokens"),
        number("cached_input_tokens"),
        number("output_tokens"),
        number("reasoning_output_tokens"),
        number("total_tokens"),
    ];
    (number("sessions"), number("turns"), tokens)
}

/// That the output tells so many days up to the present one, and of them what was made up.
#[track_caller]
fn assert_told(output: &Output, days: usize, work: &[Work]) {
    assert_eq!(output.stderr, "", "{output:?}");
    assert_report(&output.json(), days, work);
}

#[track_caller]
fn assert_report(report: &Value, days: usize, work: &[Work]) {
    let told: BTreeMap<String, Counts> = report["days"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| (day["date"].as_str().unwrap().to_string(), counts(day)))
        .collect();
    assert_eq!(told.len(), days);
    let date = |milliseconds| {
        jiff::Timestamp::from_millisecond(milliseconds).unwrap().to_zoned(zone()).date().to_string()
    };
    let (first, last) = (told.keys().next().unwrap(), told.keys().last().unwrap());
    assert!(
        *last == date(now() * 1000) || *last == date(now() * 1000 - 60_000),
        "{last} is not today"
    );
    let work: Vec<Work> = work.iter().filter(|work| date(work.time) >= *first).cloned().collect();
    let (expected, total) = by_day(&work, &zone());
    for (day, told) in &told {
        assert_eq!(*told, expected.get(day).copied().unwrap_or_default(), "{day}");
    }
    assert_eq!(counts(&report["total"]), total);
}

fn stores(home: &Home) -> Vec<PathBuf> {
    let files =
        std::fs::read_dir(home.cache_directory()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension != "lock")).collect()
}

#[test]
fn json_has_the_totals_that_were_made_up() {
    let home = home();
    let codex = played(&home);
    assert_told(&home.run(&["activity", "--json"]), 7, &codex.work);
    assert_told(&home.run(&["activity", "--json", "--days=1"]), 1, &codex.work);
    assert_told(&home.run(&["activity", "--json", "--days", "30"]), 30, &codex.work);
}

#[test]
fn a_thread_in_two_files_counts_once_and_the_longer_one_counts() {
    let home = home();
    let codex = played(&home);
    let path = |file: &str| home.codex_home().join(file);
    for file in codex.files() {
        let text = std::fs::read_to_string(path(&file)).unwrap();
        let conflict = file.replace(".jsonl", ".sync-conflict-20261122-1.jsonl");
        std::fs::write(path(&conflict), &text).unwrap();
        // The one in `sessions` is behind.
        let name = file.rsplit('/').next().unwrap();
        std::fs::create_dir_all(path("archived_sessions")).unwrap();
        std::fs::write(path("archived_sessions").join(name), &text).unwrap();
        let first_lines = text.lines().count() / 2;
        let behind: Vec<&str> = text.lines().take(first_lines.max(1)).collect();
        std::fs::write(path(&file), behind.join("\n") + "\n").unwrap();
    }
    assert_told(&home.run(&["activity", "--json"]), 7, &codex.work);
}

#[test]
fn what_was_read_is_kept_and_what_is_new_is_added() {
    let home = home();
    let mut codex = played(&home);
    assert_told(&home.run(&["activity", "--json"]), 7, &codex.work);
    let [store] = &stores(&home)[..] else { panic!("{:?}", stores(&home)) };
    let name = store.file_name().unwrap().to_str().unwrap();
    let key = name.strip_suffix("-activity.bin").unwrap();
    assert!(key.len() == 16 && key.chars().all(|digit| digit.is_ascii_hexdigit()), "{name}");

    // Of files that look as they did, nothing is read again: what a spoilt one said still counts.
    let path = home.codex_home().join(&codex.files()[0]);
    let (text, modified) =
        (std::fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap());
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![b' '; text.len()], 0).unwrap();
    file.set_modified(modified).unwrap();
    assert_told(&home.run(&["activity", "--json"]), 7, &codex.work);
    std::os::unix::fs::FileExt::write_all_at(&file, &text, 0).unwrap();
    file.set_modified(modified).unwrap();

    for _ in 0..5 {
        codex.step();
    }
    let files = codex.files();
    archive(&home.codex_home(), &files[1]);
    compress(&home.codex_home(), &files[2]);
    assert_told(&home.run(&["activity", "--json", "--days", "10"]), 10, &codex.work);

    // A store that is spoilt costs time, not numbers.
    std::fs::write(store, "nonsense").unwrap();
    assert_told(&home.run(&["activity", "--json", "--days", "10"]), 10, &codex.work);
    assert_eq!(&stores(&home), std::slice::from_ref(store));
}

#[test]
fn the_table_has_a_row_for_each_day_and_fits() {
    let home = home();
    played(&home);
    let output = home.run(&["activity"]);
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{output:?}");
    let report = home.run(&["activity", "--json"]).json();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 9, "{}", output.stdout);
    let title = "day             sessions  turns  input  cached  output  reasoning  total";
    assert_eq!(lines[0], title);
    assert!(lines.iter().all(|line| line.len() == title.len()), "{}", output.stdout);
    let days = report["days"].as_array().unwrap();
    let names = days.iter().map(|day| day["date"].as_str().unwrap());
    for ((line, name), counts) in
        lines[1..].iter().zip(names.chain(["7 days"])).zip(days.iter().chain([&report["total"]]))
    {
        assert!(line[..14].contains(name), "{line}");
        let cells: Vec<&str> = line[14..].split_whitespace().collect();
        let expected = |key: &str| match counts[key].as_u64().unwrap() {
            0 => "-".to_string(),
            count => count.to_string(),
        };
        assert_eq!(cells[..2], [expected("sessions"), expected("turns")], "{line}");
        assert_eq!(cells.len(), 7, "{line}");
    }
}

#[test]
fn nothing_there_is_told() {
    let home = home();
    let output = home.run(&["activity", "--days=1"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let last = output.stdout.lines().last().unwrap();
    assert_eq!(
        last.split_whitespace().collect::<Vec<_>>(),
        ["1", "day", "-", "-", "-", "-", "-", "-", "-"]
    );
    let place = home.codex_home();
    let expected = format!(
        "codexline: no session files in {}; set CODEX_HOME if they are elsewhere\n",
        place.display()
    );
    assert_eq!(output.stderr, expected);
}

#[test]
fn what_cannot_be_read_or_kept_costs_no_numbers() {
    let mut home = home();
    played(&home);
    let expected = home.run(&["activity"]).stdout;
    std::fs::write(home.codex_home().join("archived_sessions"), "").unwrap();
    let output = home.run(&["activity"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), expected.as_str()));
    let place = home.codex_home().join("archived_sessions");
    let told = format!(
        "codexline: cannot read {}: not a directory; what is new there is missing\n",
        place.display()
    );
    assert_eq!(output.stderr, told);
    std::fs::remove_file(place).unwrap();

    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    home.set("XDG_CACHE_HOME", &file);
    let output = home.run(&["activity"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), expected.as_str()));
    let told = format!("codexline: cannot write {}", file.display());
    assert!(
        output.stderr.starts_with(&told) && output.stderr.lines().count() == 1,
        "{}",
        output.stderr
    );
}

#[test]
fn accounts_are_told_each_for_itself() {
    let (mut home, other) = (home(), TempDir::new());
    let (codex, others) = (played(&home), played_in(other.path(), 4));
    let option = format!(
        "--account=private={},work={}",
        home.codex_home().display(),
        other.path().display()
    );
    let output = home.run(&["activity", "--json", "--days=30", &option]);
    assert_eq!(output.stderr, "");
    let told = output.json();
    assert_eq!(
        (told[0]["account"].as_str(), told[1]["account"].as_str()),
        (Some("private"), Some("work"))
    );
    assert_report(&told[0], 30, &codex.work);
    assert_report(&told[1], 30, &others.work);
    assert_eq!(told.as_array().unwrap().len(), 2);
    assert_eq!(stores(&home).len(), 2);
    // As for the one login, under each one's name.
    let output = home.run(&["activity", &option]);
    let own = home.run(&["activity"]).stdout;
    assert!(
        output.stdout.starts_with(&format!("private\n{own}\nwork\nday  ")),
        "{}",
        output.stdout
    );

    // Those of the config file, and one picked of them; one that is not there hides nobody's
    // numbers.
    let config = home.path().join("config/codexline");
    std::fs::create_dir(&config).unwrap();
    let accounts = format!("account = 'work={}, gone=/nowhere/at/all'", other.path().display());
    std::fs::write(config.join("config.toml"), accounts).unwrap();
    let output = home.run(&["activity", "--json", "--days=30", "--account=work"]);
    let told = output.json();
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert_report(&told[0], 30, &others.work);
    let output = home.run(&["activity", "--json", "--days=30"]);
    let expected = "codexline: gone: CODEX_HOME /nowhere/at/all is not a directory; \
                    create the directory or correct CODEX_HOME\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), expected));
    let told: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_report(&told[0], 30, &others.work);
    assert_eq!(
        (&told[1]["account"], &told[1]["error"]["code"]),
        (&"gone".into(), &"home_missing".into())
    );
    assert!(told[1].get("days").is_none(), "{told}");
    let output = home.run(&["activity"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.stdout.starts_with("work\nday  ") && !output.stdout.contains("gone"),
        "{}",
        output.stdout
    );
    home.set("CODEXLINE_ACCOUNT", "wrok");
    assert_eq!(home.run(&["activity"]).code, Some(2));
}

/// Where in a file a process is that has it open.
fn position(process: u32, file: &Path) -> Option<u64> {
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let open = descriptors
        .flatten()
        .find(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link == file))?;
    let number = open.file_name().into_string().ok()?;
    let info = std::fs::read_to_string(format!("/proc/{process}/fdinfo/{number}")).ok()?;
    info.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse().ok()
}

/// Overwrites what is before the last few bytes of a file with blanks, without making it another
/// one.
fn spoil(path: &Path) {
    let modified = path.metadata().unwrap().modified().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = path.metadata().unwrap().len() as usize - 256;
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![b' '; length], 0).unwrap();
    file.set_modified(modified).unwrap();
}

/// The last file ends with a line so long that nobody reads it within a test's time: there the scan
/// is when the signal comes.
#[test]
fn a_scan_that_is_interrupted_keeps_what_it_has_counted() {
    const HOLE: u64 = 1 << 40;
    for (signal, status) in [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
        let home = home();
        let mut codex = Writer::new(5, Disk::new(&home.codex_home()));
        codex.clock = now() * 1000 - DAY;
        codex.pace = 1000;
        let sessions = [Version::Legacy, Version::Middle, Version::Paginated]
            .map(|version| codex.begin(version));
        for session in sessions {
            (0..5).for_each(|_| codex.turn(session));
        }
        let files: Vec<PathBuf> =
            codex.files().iter().map(|file| home.codex_home().join(file)).collect();
        let (last, others) = files.split_last().unwrap();
        let length = last.metadata().unwrap().len();
        std::fs::OpenOptions::new().write(true).open(last).unwrap().set_len(HOLE).unwrap();
        let mut command = home.command(&["activity", "--json"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let process = child.id();
        eventually("only the endless file is read", || {
            position(process, last).is_some_and(|position| position > length + (1 << 20))
                && others.iter().all(|file| position(process, file).is_none())
        });
        // SAFETY: no memory is involved; the child has not been waited for.
        unsafe { libc::kill(process as i32, signal) };
        let output = collect(child, Instant::now());
        assert_eq!((output.code, output.stdout.as_str()), (Some(status), ""), "{output:?}");
        let told = "codexline: interrupted; what has been counted is kept, the next run goes on \
                    from there\n";
        assert_eq!(output.stderr, told);

        // What is before that is not read again, and what comes now is added.
        std::fs::OpenOptions::new().write(true).open(last).unwrap().set_len(length).unwrap();
        files.iter().for_each(|file| spoil(file));
        sessions.into_iter().for_each(|session| codex.turn(session));
        assert_told(&home.run(&["activity", "--json"]), 7, &codex.work);
    }
}

#[test]
fn mistakes_are_named_in_one_line() {
    let mut home = home();
    for (arguments, told) in [
        (&["activity", "--days", "0"][..], "--days '0': is not a number of days from 1 to 3660"),
        (&["activity", "--days", "week"], "--days 'week': is not a number of days from 1 to 3660"),
        (
            &["activity", "--days", "100000"],
            "--days '100000': is not a number of days from 1 to 3660",
        ),
        (&["activity", "plain"], "activity: an option was expected, not 'plain'"),
    ] {
        let output = home.run(arguments);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
        let expected = format!("codexline: {told}");
        assert!(
            output.stderr.starts_with(&expected) && output.stderr.lines().count() == 1,
            "{}",
            output.stderr
        );
    }
    home.set("CODEX_HOME", "/nowhere/at/all");
    let output = home.run(&["activity"]);
    let told = "codexline: CODEX_HOME /nowhere/at/all is not a directory; \
                create the directory or correct CODEX_HOME\n";
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(1), "", told));
}
