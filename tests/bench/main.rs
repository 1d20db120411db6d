//! The benchmark: `cargo bench` (`cargo bench -- 50` for 50 rounds, `cargo bench -- PATH…` to measure
//! another build, and further ones beside it).
//!
//! Whole processes, compared with a floor program that is compiled in the same run: it opens one file, reads it and
//! prints. No timed test: figures stand beside their goals and nothing fails on them, for a machine may be busy; what
//! fails is wrong behaviour. No network but loopback, no login: tokens are made up.
//!
//! 1. [`warm`]: every command twice a round, in ever another order, so that whatever the machine does meanwhile hits all alike;
//!    on one processor, for a move to another takes longer than what is measured.
//! 2. [`stale`]: when the line is there, when the pipe ends, when the process ends, with a fetch started behind it.
//! 3. [`cold`]: what a fetch over TLS costs.
//! 4. [`herd`]: 200 at once.
//! 5. [`activity`]: session files, gigabytes of them and thousands; `cargo bench -- activity` measures nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods
)]

mod activity;
mod process;
mod programs;
#[path = "../suite/support/mod.rs"]
mod support;

use process::{Ended, Program, median, milliseconds, wait_for_all, wait_for_any};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::home::{Home, TempDir, finish};
use support::server::{Answer, Authority, Server};
use support::{USAGE, usage};

/// Of the table; the other parts go by it.
const ROUNDS: usize = 300;
const WARM_UP: usize = 10;
const HERD: usize = 200;
/// Cache entries and lock files of other accounts, and sessions, that must not matter.
const CROWD: usize = 5000;

fn main() {
    let Arguments { rounds, program, further, only_activity } = Arguments::read();
    process::adopt_orphans();
    println!("{}", machine());
    if only_activity {
        return activity::run(&program);
    }
    // The answer is as young as the request: countdowns do not depend on how long the benchmark takes.
    let server = Server::start(|_| Answer::json(200, &usage()));
    let home = Home::new(&server);
    let fixed = programs::codexline_static().map_err(|reason| println!("{reason}")).ok();
    let medians = warm(&server, &home, &program, fixed.as_deref(), &further, rounds);
    stale(&server, &home, &program, rounds / 3);
    cold(&program, "", rounds / 10);
    if let Some(program) = &fixed {
        cold(program, " (static)", rounds / 10);
    }
    herd(&server, &home, &program, rounds / 10);
    activity::run(&program);
    goals(&medians);
}

struct Arguments {
    rounds: usize,
    program: PathBuf,
    /// Further builds, which get a row each.
    further: Vec<PathBuf>,
    only_activity: bool,
}

impl Arguments {
    fn read() -> Arguments {
        let (mut rounds, mut programs, mut only_activity) = (ROUNDS, Vec::new(), false);
        // cargo adds --bench.
        for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
            match argument.parse() {
                Ok(number) => rounds = std::cmp::max(number, 10),
                Err(_) if argument == "activity" => only_activity = true,
                Err(_) => {
                    let program = std::fs::canonicalize(&argument);
                    programs.push(program.expect("a number of rounds, activity, or a program"));
                }
            }
        }
        let further = programs.split_off(programs.len().min(1));
        let program =
            programs.pop().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_codexline")));
        Arguments { rounds, program, further, only_activity }
    }
}

/// One line about where the figures come from.
fn machine() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let system = file("/etc/os-release");
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    let load = file("/proc/loadavg");
    format!(
        "{cpus} x {}, {}, Linux {}, load {}\n",
        cpu.map_or(std::env::consts::ARCH, |(_, name)| name),
        system.trim_matches('"'),
        file("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or_default(),
    )
}

// --- warm -------------------------------------------------------------------------------------------------------------

/// A row, with the row that it is compared with.
struct Row {
    program: Program,
    floor: usize,
    /// Right after itself.
    walls: Vec<f64>,
    /// After another program: the processor's caches are that one's.
    colds: Vec<f64>,
}

/// A row of codexline, after a look at what it prints.
fn line(name: &str, home: &Home, program: &Path, arguments: &[&str], expected: &str) -> Program {
    let mut command = home.wrapped(&[program.to_str().unwrap()]);
    command.args(arguments);
    let output = finish(&mut command);
    assert!(output.code == Some(0) && output.stdout.contains(expected), "{name}: {output:?}");
    Program::new(name, &command)
}

/// A copy, as an installation makes one: what the linker has written lies in the page cache in single pages and takes longer to map.
fn installed(program: &Path, place: &Path) -> PathBuf {
    std::fs::copy(program, place).expect("a program can be copied");
    place.to_path_buf()
}

/// In an order of its own for each round, the same in every run.
fn shuffle(order: &mut [usize], round: u64) {
    let mut state = round;
    for last in (1..order.len()).rev() {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        order.swap(last, ((word ^ (word >> 31)) % (last as u64 + 1)) as usize);
    }
}

/// The table; gives the medians by name, in milliseconds.
fn warm(
    server: &Server,
    home: &Home,
    program: &Path,
    fixed: Option<&Path>,
    further: &[PathBuf],
    rounds: usize,
) -> HashMap<String, f64> {
    home.fill();
    let place = TempDir::new();
    let installed = |program: &Path, name: &str| installed(program, &place.path().join(name));
    let (program, fixed) = (
        &installed(program, "codexline"),
        fixed.map(|program| installed(program, "codexline-static")),
    );
    let crowded = crowded(server);
    let configured = Home::new(server);
    configured.fill();
    let entry = home.entry_path();
    let floor = |path: PathBuf, name: &str| {
        let path = installed(&path, name);
        let command = home.wrapped(&[path.to_str().unwrap(), entry.to_str().unwrap()]);
        Program::new(name, &command)
    };

    let mut rows: Vec<Row> = Vec::new();
    let mut add = |program: Program, floor: usize| {
        rows.push(Row { program, floor, walls: Vec::new(), colds: Vec::new() });
        rows.len() - 1
    };
    let dynamic = add(floor(programs::floor(false).expect("the host's own target"), FLOOR), 0);
    if let Some(path) = process::find("true") {
        add(Program::new("true", &home.wrapped(&[path.to_str().unwrap()])), dynamic);
    }
    // What does not change while the benchmark runs.
    let warm = "Codex 5h 58% left";
    add(line(WARM, home, program, &[], warm), dynamic);
    for host in ["starship", "tmux", "waybar", "json"] {
        add(line(&format!("codexline {host}"), home, program, &[host], "42"), dynamic);
    }
    if let Some(program) = with_config(&configured, program) {
        add(program, dynamic);
    }
    add(line(CROWDED, &crowded, program, &[], warm), dynamic);
    for program in further {
        add(line(&program.display().to_string(), home, program, &[], warm), dynamic);
    }
    if let (Some(path), Some(program)) = (programs::floor(true), &fixed) {
        let fixed = add(floor(path, FLOOR_STATIC), dynamic);
        rows[fixed].floor = fixed;
        let mut add = |program: Program| {
            rows.push(Row { program, floor: fixed, walls: Vec::new(), colds: Vec::new() })
        };
        add(line(WARM_STATIC, home, program, &[], warm));
        add(line("codexline json (static)", home, program, &["json"], "42"));
    }
    // A server of their own: what they ask is their own affair.
    let others = Server::start(|_| Answer::json(200, &usage()));
    let mut strange = Home::new(&others);
    for peer in programs::peers(&mut strange, &others) {
        rows.push(Row { program: peer, floor: dynamic, walls: Vec::new(), colds: Vec::new() });
    }

    // Preparing may have taken a while; what is measured is fresh to the end.
    for home in [home, &crowded, &configured] {
        home.fill();
    }
    // The first that tell what was done today have it counted.
    wait_for_all();
    let before = server.total();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let alone = process::Pinned::to_one();
    for round in 0..rounds + WARM_UP {
        // After ever another: whoever comes after a program like itself finds its pages in the processor's caches.
        shuffle(&mut order, round as u64);
        for &place in &order {
            let row = &mut rows[place];
            let [cold, wall] = [(); 2].map(|()| milliseconds(row.program.wall()));
            if round >= WARM_UP {
                row.colds.push(cold);
                row.walls.push(wall);
            }
        }
    }
    drop(alone);
    assert_eq!(server.total(), before, "a warm run asks nobody");
    assert_eq!(wait_for_all(), 0, "a warm run starts nothing");

    println!("{HEAD}");
    for row in &rows {
        let floor = &rows[row.floor];
        println!(
            "{:<36} {:>7.3} {:>7.3} {:>7.2} {:>8.3} {:>7.2} {:>12} {:>9} {:>9}",
            row.program.name,
            row.walls.iter().copied().fold(f64::INFINITY, f64::min),
            median(&row.walls),
            ratio(&row.walls, &floor.walls),
            median(&row.colds),
            ratio(&row.colds, &floor.colds),
            or_dash(row.program.instructions().map(|count| format!("{:.0} k", count as f64 / 1e3))),
            or_dash(row.program.resident().map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6))),
            format!("{:.2} MB", row.program.size() as f64 / 1e6),
        );
    }
    println!("{NOTE}");
    rows.into_iter().map(|row| (row.program.name, median(&row.walls))).collect()
}

/// The median of the ratios within each round.
fn ratio(walls: &[f64], floors: &[f64]) -> f64 {
    median(&walls.iter().zip(floors).map(|(wall, floor)| wall / floor).collect::<Vec<f64>>())
}

const HEAD: &str = "command                              min ms  median / floor  another / floor  instructions  resident      size";
const NOTE: &str = "(whole processes. min, median: right after itself; another: the median after another program; / floor: median of the \
                    ratios within each round, to the floor of the same linkage; instructions: user, by callgrind)\n";

const FLOOR: &str = "floor: open, read, print";
const FLOOR_STATIC: &str = "floor (static)";
const WARM: &str = "codexline";
const WARM_STATIC: &str = "codexline (static)";
const CROWDED: &str = "codexline, 5000 caches and sessions";

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".into())
}

/// With a config file, if this build reads one.
fn with_config(home: &Home, program: &Path) -> Option<Program> {
    let directory = home.path().join("config/codexline");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(
        directory.join("config.toml"),
        "separator = \" / \"\nwarn = 80\n[tmux]\nmax-age = \"5m\"\n",
    )
    .unwrap();
    let output = finish(&mut home.wrapped(&[program.to_str().unwrap()]));
    let knows = output.stdout.contains(" / ");
    knows.then(|| line("codexline, with a config file", home, program, &[], " / "))
}

/// A home among the caches of thousands of other accounts, with a long history of sessions.
fn crowded(server: &Server) -> Home {
    let home = Home::new(server);
    home.fill();
    let entry = std::fs::read(home.entry_path()).unwrap();
    for number in 0..CROWD {
        let path = home.cache_directory().join(format!("{number:016x}.json"));
        std::fs::write(&path, &entry).unwrap();
        std::fs::write(path.with_extension("lock"), "").unwrap();
        let day = home.codex_home().join(format!(
            "sessions/2026/{:02}/{:02}",
            number % 12 + 1,
            number % 28 + 1
        ));
        std::fs::create_dir_all(&day).unwrap();
        std::fs::write(
            day.join(format!("rollout-{number}.jsonl")),
            "{\"type\":\"session_meta\"}\n",
        )
        .unwrap();
    }
    home
}

// --- stale ------------------------------------------------------------------------------------------------------------

/// A stale entry, to be put back after each fetch.
struct Stale {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Stale {
    fn of(home: &Home) -> Stale {
        home.fill();
        home.age(Duration::from_secs(300));
        let path = home.entry_path();
        Stale { bytes: std::fs::read(&path).unwrap(), path }
    }

    /// Once every worker has ended; how many had to be waited for.
    fn restore(&self) -> usize {
        let workers = wait_for_all();
        std::fs::write(&self.path, &self.bytes).unwrap();
        workers
    }
}

fn stale(server: &Server, home: &Home, program: &Path, rounds: usize) {
    home.fill();
    let command =
        line("codexline starship", home, program, &["starship", "--color", "never"], "42");
    let warm: Vec<[Duration; 3]> = (0..rounds).map(|_| command.told()).collect();
    let entry = Stale::of(home);
    let before = server.count(USAGE);
    let stale: Vec<[Duration; 3]> = (0..rounds)
        .map(|_| {
            let told = command.told();
            assert_eq!(entry.restore(), 1, "a stale run starts one worker");
            told
        })
        .collect();
    assert_eq!(server.count(USAGE) - before, rounds, "each worker asks once");
    let column = |values: &[[Duration; 3]], part: usize| {
        median(&values.iter().map(|value| milliseconds(value[part])).collect::<Vec<_>>())
    };
    println!("output on a pipe, ms               line    end of file    end of process");
    for (name, values) in [("warm", &warm), ("stale: a fetch is started", &stale)] {
        let [line, end, exit] = [0, 1, 2].map(|part| column(values, part));
        println!("{name:<30} {line:>8.3} {end:>14.3} {exit:>17.3}");
    }
    println!(
        "line when stale, against warm: {:+.3} ms (goal: within 1)\n",
        column(&stale, 0) - column(&warm, 0)
    );
}

// --- cold -------------------------------------------------------------------------------------------------------------

/// A fetch over TLS, with the system's certificates and one more.
fn cold(program: &Path, what: &str, runs: usize) {
    let authority = Authority::new();
    let server = Server::tls(&authority, |_| Answer::json(200, &usage()));
    let mut home = Home::new(&server).direct();
    let certificate = home.path().join("authority.pem");
    authority.write(&certificate);
    home.set("CODEX_CA_CERTIFICATE", &certificate);
    let command = line("codexline fetch", &home, program, &["fetch"], "");
    let runs = runs.max(10);
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let begun = Instant::now();
        let ended = process::wait(command.start(None));
        assert_eq!(ended.status, 0, "a fetch over TLS succeeds");
        cpu.push(milliseconds(ended.cpu));
        wall.push(milliseconds(ended.at - begun));
    }
    assert_eq!(server.count(USAGE), runs + 1);
    println!(
        "cold fetch over TLS{what}, system's certificates loaded: {:.1} ms CPU (goal: at most 6), {:.1} ms wall",
        median(&cpu),
        median(&wall),
    );
}

// --- many at once -----------------------------------------------------------------------------------------------------

/// Starts that many, as fast as they can be started; how each ended, and how long it took.
fn burst(command: &Program) -> (Vec<f64>, Vec<Ended>) {
    let all_started = AtomicBool::new(false);
    // Waiting is another thread's work, so that no end is seen late.
    let reap = || {
        let mut ended = Vec::new();
        loop {
            match wait_for_any() {
                Some(child) => ended.push(child),
                None if all_started.load(Ordering::SeqCst) => return ended,
                None => std::thread::yield_now(),
            }
        }
    };
    let (started, mut ended) = std::thread::scope(|scope| {
        let reaping = scope.spawn(reap);
        let started: Vec<(Instant, libc::pid_t)> =
            (0..HERD).map(|_| (Instant::now(), command.start(None))).collect();
        all_started.store(true, Ordering::SeqCst);
        (started, reaping.join().unwrap())
    });
    // One that started after the last look.
    ended.extend(std::iter::from_fn(wait_for_any));
    let walls = started.iter().map(|(begun, process)| {
        let end = ended.iter().find(|end| end.process == *process).expect("it ended");
        assert_eq!(end.status, 0, "every prompt prints");
        milliseconds(end.at - *begun)
    });
    (walls.collect(), ended)
}

fn herd(server: &Server, home: &Home, program: &Path, runs: usize) {
    let entry = Stale::of(home);
    home.fill();
    let command =
        line("codexline starship", home, program, &["starship", "--color", "never"], "42");
    let alone: Vec<f64> = (0..runs.max(10))
        .map(|_| {
            entry.restore();
            milliseconds(command.wall())
        })
        .collect();
    let alone = median(&alone);
    let (mut slowest, mut most_workers, mut most_cpu) = (Vec::new(), 0, 0.0_f64);
    for _ in 0..10 {
        entry.restore();
        let before = server.count(USAGE);
        let (walls, ended) = burst(&command);
        assert_eq!(server.count(USAGE) - before, 1, "a herd costs one request");
        let workers = ended.len() - HERD;
        assert!((1..=3).contains(&workers), "{workers} workers were started");
        most_workers = most_workers.max(workers);
        slowest.push(walls.iter().copied().fold(0.0, f64::max));
        most_cpu = ended.iter().map(|end| milliseconds(end.cpu)).fold(most_cpu, f64::max);
    }
    entry.restore();
    let floor = programs::floor(false).expect("compiled already");
    let floor = Program::new(
        FLOOR,
        &home.wrapped(&[floor.to_str().unwrap(), entry.path.to_str().unwrap()]),
    );
    let floors: Vec<f64> =
        (0..10).map(|_| burst(&floor).0.into_iter().fold(0.0, f64::max)).collect();
    println!(
        "{HERD} at once, stale, 10 times: one request each time, at most {most_workers} workers (goal: 3)"
    );
    println!(
        "slowest of {HERD}: {:.2} ms (median of 10 herds), {:.1} x {alone:.2} ms alone (goal: 5); of {HERD} floors: {:.2} ms\n",
        median(&slowest),
        median(&slowest) / alone,
        median(&floors),
    );
}

/// The warm figures against their goals.
fn goals(medians: &HashMap<String, f64>) {
    let ratio = |above: &str, below: &str| Some(medians.get(above)? / medians.get(below)?);
    let tell = |what: &str, ratio: Option<f64>, goal: &str| {
        if let Some(ratio) = ratio {
            println!("{what}: {ratio:.2} (goal: {goal})");
        }
    };
    tell("warm, of the floor", ratio(WARM, FLOOR), "at most 1.15");
    tell("among 5000 caches and sessions, of warm", ratio(CROWDED, WARM), "1");
    tell("static, of its floor", ratio(WARM_STATIC, FLOOR_STATIC), "at most 1.15");
    tell("static, of dynamic", ratio(WARM_STATIC, WARM), "under 0.4");
}
