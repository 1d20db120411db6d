//! Scans of session files: a first scan of a large tree from the page cache, and a scan of many
//! files with nothing new; the same by ccusage's Codex report (npm) where that is installed. The
//! totals must be equal; the times are printed.

use crate::process::{Ended, Program, find, median, milliseconds, wait};
use crate::support::home::{ACCOUNT, Home, finish};
use crate::support::server::Server;
use crate::support::sessions::{Disk, Tokens, Work, Writer, by_day, compress};
use crate::support::{USAGE, now, usage};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// The bytes of the disk that growth leaves free.
const SPARE: u64 = 5_000_000_000;
/// The bytes of the first tree.
const SIZE: u64 = 1_000_000_000;
/// The number of files in the second tree.
const FILES: usize = 10_000;
/// All of them read from the page cache, because the tree has just been written.
const FIRST_SCANS: usize = 5;
const RESCANS: usize = 30;

/// More days than any tree spans.
const DAYS: &str = "366";

const HEAD: &str =
    "session files                            fastest ms     median        CPU ms   resident";

pub fn run(program: &Path) {
    println!("{HEAD}");
    let (per_core, first) = first_scan(program);
    let rescan = many(program);
    println!("first scan: {per_core:.2} GB/s a core (goal: 1), {first:.2} GB/s in all");
    println!("nothing new in {FILES} files: {rescan:.1} ms (goal: under 50)\n");
}

/// How the time and the memory of a first scan grow with the bytes. Real session files as far as
/// the disk has room for them; beyond that, files whose longest line is a hole.
pub fn growth(program: &Path) {
    println!("{HEAD}");
    for size in [1_000_000_000, 10_000_000_000] {
        let home = home();
        if free(home.path()) < size + SPARE {
            println!("{} GB of sessions: not enough disk space", size / 1_000_000_000);
            continue;
        }
        let shape = |codex: &mut Writer<Disk>| {
            as_in_the_wild(codex);
            // As many days as a gigabyte has.
            codex.pace /= size.div_ceil(SIZE);
        };
        let codex = written(&home, |codex| codex.sink.bytes >= size, shape);
        let command = activity(&home, program, &codex.work);
        let runs: Vec<Run> = (0..3).map(|_| Run::of(&command, || forget(&home))).collect();
        forget(&home);
        tell(&format!("first scan, {} GB", size / 1_000_000_000), &runs, Some(&command));
    }
    let home = home();
    let codex = written(&home, |codex| codex.files().len() >= 100, as_in_the_wild);
    for (number, file) in codex.files().iter().enumerate() {
        // A line that nothing can be read from, of 1 GB.
        let path = home.codex_home().join(file);
        let hole = std::fs::File::options().append(true).open(path).expect("a session file");
        let length = hole.metadata().expect("a session file").len();
        hole.set_len(length + 1_000_000_000).expect("a file can have a hole");
        if number == 99 {
            break;
        }
    }
    let mut command = home.wrapped(&[program.to_str().expect("a path in text")]);
    command.args(["activity", "--json", "--days", DAYS]);
    let command = Program::new("codexline activity", &command);
    let runs = [Run::of(&command, || ())];
    forget(&home);
    tell("first scan, 100 GB, mostly holes", &runs, Some(&command));
}

/// The free bytes of the file system with this path.
fn free(path: &Path) -> u64 {
    let status = rustix::fs::statvfs(path).expect("a file system");
    status.f_bavail * status.f_frsize
}

/// Most bytes are tool output in lines of kilobytes.
fn as_in_the_wild(codex: &mut Writer<Disk>) {
    (codex.talk, codex.chatter, codex.instructions) = (200..8000, 6, 20_000);
}

/// Writes sessions until `is_enough`. The last one ends before now.
fn written(
    home: &Home,
    is_enough: impl Fn(&Writer<Disk>) -> bool,
    shape: impl Fn(&mut Writer<Disk>),
) -> Writer<Disk> {
    let mut codex = Writer::new(1, Disk::new(&home.codex_home()));
    // ccusage counts by running totals, which do not include compactions.
    codex.compactions = false;
    codex.clock = (now() - 300 * 86_400) * 1000;
    // About 30 files a day.
    codex.pace = 20 * 60 * 1000;
    shape(&mut codex);
    while !is_enough(&codex) {
        codex.step();
    }
    assert!(codex.clock < now() * 1000, "nothing is done in the future");
    codex
}

/// Returns GB per second of one core, and of the whole program.
fn first_scan(program: &Path) -> (f64, f64) {
    let home = home();
    let codex = written(&home, |codex| codex.sink.bytes >= SIZE, as_in_the_wild);
    let (files, bytes) = (codex.files(), codex.sink.bytes);
    let command = activity(&home, program, &codex.work);
    let runs: Vec<Run> = (0..FIRST_SCANS).map(|_| Run::of(&command, || forget(&home))).collect();
    forget(&home);
    tell(
        &format!("first scan, {:.1} GB in {} files", bytes as f64 / 1e9, files.len()),
        &runs,
        Some(&command),
    );
    let fastest = |value: fn(&Run) -> f64| runs.iter().map(value).fold(f64::INFINITY, f64::min);
    let speeds =
        [fastest(|run| run.cpu), fastest(|run| run.wall)].map(|time| bytes as f64 / time / 1e6);
    ccusage(&home, &codex.work, 2);
    files.iter().for_each(|file| drop(compress(&home.codex_home(), file)));
    let command = activity(&home, program, &codex.work);
    let runs = [Run::of(&command, || forget(&home))];
    tell("the same, compressed", &runs, Some(&command));
    (speeds[0], speeds[1])
}

/// Returns the median in milliseconds.
fn many(program: &Path) -> f64 {
    let server = Server::usage(usage());
    let mut home = Home::new(&server);
    home.set("TZ", "UTC0");
    home.unset("CODEXLINE_MAX_IDLE");
    let codex = written(
        &home,
        |codex| codex.files().len() >= FILES,
        |codex| {
            (codex.talk, codex.pace) = (0..10, 10 * 60 * 1000);
        },
    );
    let command = activity(&home, program, &codex.work);
    let runs: Vec<Run> = (0..RESCANS).map(|_| Run::of(&command, || ())).collect();
    tell(&format!("nothing new in {} files", codex.files().len()), &runs, Some(&command));
    ccusage(&home, &codex.work, 2);
    look(program, &home, &server);
    median(&runs.iter().map(|run| run.wall).collect::<Vec<_>>())
}

/// The whole worker that looks in the session files before it asks the service, and then does not
/// ask: nothing is new; a turn has written new limits.
fn look(program: &Path, home: &Home, server: &Server) {
    let program = program.to_str().expect("a path in text");
    let command = Program::new("the worker", &home.wrapped(&[program, "fetch", "--worker"]));
    let meta = json!({"id": "01a2043b-2290-7cc0-977d-000000000001", "creator_account_id": ACCOUNT});
    let meta = &meta.to_string();
    let day = home.codex_home().join("sessions/2026/02/17");
    std::fs::create_dir_all(&day).expect("the disk takes it");
    let in_use = day.join("rollout-2026-02-17T10-00-00-01a2043b-2290-7cc0-977d-000000000001.jsonl");
    let stale = || {
        home.fill();
        home.age(Duration::from_secs(150));
    };
    let turn = || {
        home.age(Duration::from_secs(150));
        let mut file = std::fs::File::options().append(true).create(true).open(&in_use);
        let file = file.as_mut().expect("a session file");
        let (meta, limits) = (line("session_meta", meta), limits_now());
        writeln!(file, "{meta}\n{limits}").expect("the disk takes it");
    };
    let nothing: Vec<Run> = (0..RESCANS).map(|_| Run::of(&command, stale)).collect();
    tell("the worker's look, nothing new", &nothing, Some(&command));
    let source = || home.entry().expect("an entry")["answer"]["source"].take();
    assert_eq!(source(), "api");
    // What is of the second in which somebody signed in may be another account's.
    std::thread::sleep(Duration::from_millis(1100));
    let turns: Vec<Run> = (0..RESCANS).map(|_| Run::of(&command, turn)).collect();
    tell("the worker's look, a turn was made", &turns, None);
    assert_eq!(source(), "sessions");
    assert_eq!(server.count(USAGE), RESCANS, "only by hand");
}

/// A line of a session file with limits of this moment.
fn limits_now() -> String {
    let window = json!({"used_percent": 50, "window_minutes": 300, "resets_at": now() + 3600});
    let limits = json!({"limit_id": "codex", "primary": window, "secondary": null});
    line("event_msg", &format!(r#"{{"type":"token_count","info":null,"rate_limits":{limits}}}"#))
}

/// A line that Codex writes now, with its keys in the order in which it writes them.
fn line(kind: &str, payload: &str) -> String {
    let at = jiff::Timestamp::from_second(now()).expect("a time");
    format!(r#"{{"timestamp":"{at}","type":"{kind}","payload":{payload}}}"#)
}

fn home() -> Home {
    let mut home = Home::signed_out();
    home.set("TZ", "UTC0");
    home
}

/// Makes the next scan a first one.
fn forget(home: &Home) {
    std::fs::remove_dir_all(home.cache_directory()).expect("the store was made");
}

/// The command, whose totals must be those of `work`.
fn activity(home: &Home, program: &Path, work: &[Work]) -> Program {
    let mut command = home.wrapped(&[
        program.to_str().expect("a path in text"),
        "activity",
        "--json",
        "--days",
        DAYS,
    ]);
    let output = finish(&mut command);
    assert_eq!(output.stderr, "");
    let (_, (sessions, turns, tokens)) = by_day(work, &TimeZone::UTC);
    let total = &output.json()["total"];
    assert_eq!((&total["sessions"], &total["turns"]), (&sessions.into(), &turns.into()));
    assert_eq!(counted(total, "reasoning_output_tokens", "cached_input_tokens"), tokens);
    Program::new("codexline activity", &command)
}

fn counted(total: &Value, reasoning: &str, cached: &str) -> Tokens {
    ["input_tokens", cached, "output_tokens", reasoning, "total_tokens"]
        .map(|key| total[key].as_u64().unwrap_or_else(|| panic!("no {key} in {total}")))
}

/// The same by ccusage, which has other keys.
fn ccusage(home: &Home, work: &[Work], runs: usize) {
    let Some(path) = find("ccusage") else {
        return println!("no row of ccusage: npm install -g ccusage");
    };
    let mut command = home.wrapped(&[path.to_str().expect("a path in text")]);
    command.args(["codex", "daily", "--json", "--offline", "--no-cost", "--timezone", "UTC"]);
    let totals = &finish(&mut command).json()["totals"];
    let number = |key: &str| totals[key].as_u64().unwrap_or_else(|| panic!("no {key} in {totals}"));
    let cached = number("cacheReadTokens");
    let output = [number("outputTokens"), number("reasoningOutputTokens"), number("totalTokens")];
    let (_, (_, _, tokens)) = by_day(work, &TimeZone::UTC);
    // Its input tokens do not include the cached ones.
    assert_eq!([number("inputTokens") + cached, cached, output[0], output[1], output[2]], tokens);
    let command = Program::new("ccusage", &command);
    let runs: Vec<Run> = (0..runs).map(|_| Run::of(&command, || ())).collect();
    tell("the same by ccusage", &runs, None);
}

/// The times of one run in milliseconds.
struct Run {
    wall: f64,
    cpu: f64,
}

impl Run {
    fn of(command: &Program, prepare: impl FnOnce()) -> Run {
        prepare();
        let begun = Instant::now();
        let Ended { at, cpu, status, .. } = wait(command.start(None));
        assert_eq!(status, 0, "{} failed", command.name);
        Run { wall: milliseconds(at - begun), cpu: milliseconds(cpu) }
    }
}

/// Prints a row; `resident` is the command whose memory is measured.
fn tell(what: &str, runs: &[Run], resident: Option<&Program>) {
    let column = |value: fn(&Run) -> f64| runs.iter().map(value).collect::<Vec<f64>>();
    let (walls, cpus) = (column(|run| run.wall), column(|run| run.cpu));
    let resident = resident.and_then(Program::resident);
    let resident = resident.map_or("-".into(), |bytes| format!("{:.1} MB", bytes as f64 / 1e6));
    let fastest = walls.iter().copied().fold(f64::INFINITY, f64::min);
    println!(
        "{what:<40} {fastest:>10.1} {:>10.1} {:>13.1} {resident:>10}",
        median(&walls),
        median(&cpus)
    );
}
