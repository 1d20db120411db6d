//! The benchmark: `cargo bench`.
//!
//! * `cargo bench -- 50` runs 50 rounds instead of 300.
//! * `cargo bench -- PATH…` measures another build, and a row for each further one.
//! * `cargo bench -- warm` runs one part only: `warm`, `hook`, `prompt`, `fetch`, `activity` or
//!   `growth`.
//!   `growth` is not part of a plain run, because it writes tens of gigabytes.
//!
//! Whole processes are measured, beside a floor program that is compiled in the same run: it opens
//! one file, reads it and prints. Figures stand beside their goals, and nothing fails because of
//! them, for a machine may be busy; wrong behaviour fails. Nothing but loopback is asked, and all
//! tokens are made up.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods
)]

mod activity;
mod fetch;
mod growth;
mod hook;
mod process;
mod programs;
mod prompt;
#[path = "../suite/support/mod.rs"]
mod support;
mod warm;

use programs::Builds;
use std::path::PathBuf;

/// Of the warm table; the other parts use a fraction of it.
const ROUNDS: usize = 300;

const PARTS: [&str; 6] = ["warm", "hook", "prompt", "fetch", "activity", "growth"];

fn main() {
    let Arguments { rounds, programs, part } = Arguments::read();
    process::adopt_orphans();
    println!("{}", machine());
    let builds = Builds::new(programs);
    let wants = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let medians = wants("warm").then(|| warm::run(&builds, rounds));
    if wants("hook") {
        hook::run(&builds.program, rounds / 6);
    }
    if wants("prompt") {
        prompt::run(&builds, rounds / 3);
    }
    if wants("fetch") {
        fetch::run(&builds, rounds / 10);
    }
    if wants("activity") {
        activity::run(&builds.program);
    }
    if part.as_deref() == Some("growth") {
        growth::run(&builds.program, rounds / 3);
    }
    if let Some(medians) = medians {
        warm::goals(&medians);
    }
}

struct Arguments {
    rounds: usize,
    programs: Vec<PathBuf>,
    part: Option<String>,
}

impl Arguments {
    fn read() -> Arguments {
        let mut read = Arguments { rounds: ROUNDS, programs: Vec::new(), part: None };
        // cargo adds --bench.
        for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
            if let Ok(number) = argument.parse() {
                read.rounds = std::cmp::max(number, 30);
            } else if PARTS.contains(&argument.as_str()) {
                read.part = Some(argument);
            } else {
                let program = std::fs::canonicalize(&argument);
                let usage = "a number of rounds, a part (see the head of main.rs), or a program";
                read.programs.push(program.expect(usage));
            }
        }
        read
    }
}

/// One line that says where the figures come from.
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
