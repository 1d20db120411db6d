//! What a fetch costs: for the prompt that starts it, for the machine, and for a herd of prompts.

use crate::process::{self, Ended, Program, median, milliseconds, wait_for_all, wait_for_any};
use crate::programs::Builds;
use crate::support::home::Home;
use crate::support::server::{Answer, Authority, Server};
use crate::support::{USAGE, usage};
use crate::warm::codexline;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const HERD: usize = 200;
const PROMPT: [&str; 3] = ["starship", "--color", "never"];

pub fn run(builds: &Builds, runs: usize) {
    let server = Server::start(|_| Answer::json(200, &usage()));
    let home = Home::new(&server);
    let runs = runs.max(10);
    stale(&server, &home, &builds.program, runs * 3);
    for (linkage, _, program) in builds.linkages() {
        cold(program, linkage, runs);
    }
    herd(&server, &home, builds, runs);
}

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

    /// Waits until every worker has ended; returns how many there were.
    fn restore(&self) -> usize {
        let workers = wait_for_all();
        std::fs::write(&self.path, &self.bytes).unwrap();
        workers
    }
}

/// When the line is there, when the pipe is closed, and when the process has ended.
fn stale(server: &Server, home: &Home, program: &Path, runs: usize) {
    home.fill();
    let command = codexline("codexline starship", home, program, &PROMPT, "58");
    let warm: Vec<[Duration; 3]> = (0..runs).map(|_| command.told()).collect();
    let entry = Stale::of(home);
    let before = server.count(USAGE);
    let stale: Vec<[Duration; 3]> = (0..runs)
        .map(|_| {
            let told = command.told();
            assert_eq!(entry.restore(), 1, "a stale run starts one worker");
            told
        })
        .collect();
    assert_eq!(server.count(USAGE) - before, runs, "each worker asks once");
    let column = |values: &[[Duration; 3]], part: usize| {
        median(&values.iter().map(|value| milliseconds(value[part])).collect::<Vec<_>>())
    };
    println!("output on a pipe, ms               line    end of file    end of process");
    for (name, values) in [("warm", &warm), ("stale: a fetch is started", &stale)] {
        let [line, end, exit] = [0, 1, 2].map(|part| column(values, part));
        println!("{name:<30} {line:>8.3} {end:>14.3} {exit:>17.3}");
    }
    let difference = column(&stale, 0) - column(&warm, 0);
    println!("line when stale, against warm: {difference:+.3} ms (goal: within 1)\n");
}

/// A fetch over TLS with the system's certificates and a further one.
fn cold(program: &Path, linkage: &str, runs: usize) {
    let authority = Authority::new();
    let server = Server::tls(&authority, |_| Answer::json(200, &usage()));
    let mut home = Home::new(&server).direct();
    let certificate = home.path().join("authority.pem");
    authority.write(&certificate);
    home.set("CODEX_CA_CERTIFICATE", &certificate);
    let command = codexline("codexline fetch", &home, program, &["fetch"], "");
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let begun = Instant::now();
        let ended = process::wait(command.start(None));
        assert_eq!(ended.status, 0, "a fetch over TLS succeeds");
        cpu.push(milliseconds(ended.cpu));
        wall.push(milliseconds(ended.at - begun));
    }
    assert_eq!(server.count(USAGE), runs + 1);
    let (cpu, wall) = (median(&cpu), median(&wall));
    println!("cold fetch over TLS{linkage}: {cpu:.1} ms CPU (goal: at most 6), {wall:.1} ms wall");
}

/// Starts [`HERD`] processes as fast as possible; returns the milliseconds that each took, and how
/// each ended.
fn burst(command: &Program) -> (Vec<f64>, Vec<Ended>) {
    let all_started = AtomicBool::new(false);
    // Another thread waits for them, so that no end is seen late.
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
    // One may have started after the last look.
    ended.extend(std::iter::from_fn(wait_for_any));
    let walls = started.iter().map(|(begun, process)| {
        let end = ended.iter().find(|end| end.process == *process).expect("it ended");
        assert_eq!(end.status, 0, "every prompt prints");
        milliseconds(end.at - *begun)
    });
    (walls.collect(), ended)
}

fn slowest(walls: &[f64]) -> f64 {
    walls.iter().copied().fold(0.0, f64::max)
}

/// Many stale prompts at once.
fn herd(server: &Server, home: &Home, builds: &Builds, runs: usize) {
    let entry = Stale::of(home);
    home.fill();
    let command = codexline("codexline starship", home, &builds.program, &PROMPT, "58");
    let alone = median(
        &(0..runs)
            .map(|_| {
                entry.restore();
                milliseconds(command.wall())
            })
            .collect::<Vec<f64>>(),
    );
    let (mut herds, mut most_workers) = (Vec::new(), 0);
    for _ in 0..10 {
        entry.restore();
        let before = server.count(USAGE);
        let (walls, ended) = burst(&command);
        assert_eq!(server.count(USAGE) - before, 1, "a herd costs one request");
        let workers = ended.len() - HERD;
        assert!((1..=3).contains(&workers), "{workers} workers were started");
        most_workers = most_workers.max(workers);
        herds.push(slowest(&walls));
    }
    entry.restore();
    let (floor, entry) = (builds.floor.to_str().unwrap(), entry.path.to_str().unwrap());
    let floor = Program::new("floor", &home.wrapped(&[floor, entry]));
    let floors: Vec<f64> = (0..10).map(|_| slowest(&burst(&floor).0)).collect();
    let herd = median(&herds);
    println!(
        "{HERD} at once, stale, 10 times: one request each time, at most {most_workers} workers \
         (goal: 3)"
    );
    println!(
        "slowest of {HERD}: {herd:.2} ms, {:.1} x {alone:.2} ms alone (goal: 5); of {HERD} floors: \
         {:.2} ms\n",
        herd / alone,
        median(&floors),
    );
}
