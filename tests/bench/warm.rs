//! What a prompt costs when the numbers are fresh: each program once a round, in another order each
//! time, so that whatever else the machine does hits all of them alike.

use crate::process::{Pinned, Program, find, median, milliseconds, spread, wait_for_all};
use crate::programs::{self, Builds};
use crate::support::home::{Home, finish};
use crate::support::server::{Answer, Server};
use crate::support::usage;
use std::collections::HashMap;
use std::path::Path;

const WARM_UP: usize = 10;
/// Cache entries, lock files and sessions of other accounts, which must not matter.
const CROWD: usize = 5000;

const FLOOR: &str = "floor: open, read, print";
const PLAIN: &str = "codexline";
const CROWDED: &str = "codexline, 5000 other entries";
const STATIC: &str = " (static)";

/// What the plain line has and what does not change while the benchmark runs.
const LINE: &str = "5h 58%";

struct Row {
    program: Program,
    /// The row of the floor with the same linkage.
    floor: usize,
    /// Milliseconds, one for each round.
    walls: Vec<f64>,
}

/// Prints the table; returns the medians by name, in milliseconds.
pub fn run(builds: &Builds, rounds: usize) -> HashMap<String, f64> {
    let server = Server::start(|_| Answer::json(200, &usage()));
    let home = Home::new(&server);
    home.fill();
    let crowded = crowded(&server, CROWD);
    let configured = Home::new(&server);
    configured.fill();
    write_config(&configured);

    let mut rows: Vec<Row> = Vec::new();
    for (linkage, floor, program) in builds.linkages() {
        let entry = home.entry_path();
        let command = home.wrapped(&[floor.to_str().unwrap(), entry.to_str().unwrap()]);
        let floor = rows.len();
        let mut add = |program| rows.push(Row { program, floor, walls: Vec::new() });
        add(Program::new(&format!("{FLOOR}{linkage}"), &command));
        let mut line = |name: &str, home: &Home, arguments: &[&str], expected: &str| {
            add(codexline(&format!("{name}{linkage}"), home, program, arguments, expected));
        };
        line(PLAIN, &home, &[], LINE);
        line("codexline tmux", &home, &["tmux"], "58");
        line("codexline waybar", &home, &["waybar"], "58");
        line("codexline json", &home, &["json"], "58");
        line("codexline, with a config file", &configured, &[], " / ");
        line(CROWDED, &crowded, &[], LINE);
    }
    for program in &builds.further {
        let program = codexline(&program.display().to_string(), &home, program, &[], LINE);
        rows.push(Row { program, floor: 0, walls: Vec::new() });
    }
    if let Some(path) = find("true") {
        let program = Program::new("true", &home.wrapped(&[path.to_str().unwrap()]));
        rows.push(Row { program, floor: 0, walls: Vec::new() });
    }
    // A server of their own: what they ask does not count here.
    let others = Server::start(|_| Answer::json(200, &usage()));
    let mut foreign = Home::new(&others);
    for program in programs::peers(&mut foreign, &others) {
        rows.push(Row { program, floor: 0, walls: Vec::new() });
    }

    // Preparing may have taken a while; what is measured is fresh to the end.
    for home in [&home, &crowded, &configured] {
        home.fill();
    }
    wait_for_all();
    let before = server.total();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let pinned = Pinned::to_one();
    for round in 0..rounds + WARM_UP {
        shuffle(&mut order, round as u64);
        for &place in &order {
            // Twice: the first run finds another program's pages in the processor's caches.
            rows[place].program.wall();
            let wall = milliseconds(rows[place].program.wall());
            if round >= WARM_UP {
                rows[place].walls.push(wall);
            }
        }
    }
    drop(pinned);
    assert_eq!(server.total(), before, "a warm run asks nobody");
    assert_eq!(wait_for_all(), 0, "a warm run starts nothing");

    println!(
        "{:<40} {:>9} {:>15} {:>7} {:>12} {:>9} {:>9}",
        "whole processes", "median ms", "quartiles", "/ floor", "instructions", "resident", "size"
    );
    for row in &rows {
        println!(
            "{:<40} {:>9.3} {:>15} {:>7.2} {:>12} {:>9} {:>9}",
            row.program.name,
            median(&row.walls),
            spread(&row.walls),
            ratio(&row.walls, &rows[row.floor].walls),
            or_dash(row.program.instructions().map(|count| format!("{:.0} k", count as f64 / 1e3))),
            or_dash(row.program.resident().map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6))),
            format!("{:.2} MB", row.program.size() as f64 / 1e6),
        );
    }
    println!(
        "(/ floor: median of the ratios within each round, to the floor of the same linkage; \
         instructions: in user mode, by callgrind)\n"
    );
    rows.into_iter().map(|row| (row.program.name, median(&row.walls))).collect()
}

/// Prints the warm figures beside their goals.
pub fn goals(medians: &HashMap<String, f64>) {
    let fixed = |name: &str| format!("{name}{STATIC}");
    let tell = |what: &str, above: &str, below: &str, goal: &str| {
        if let (Some(above), Some(below)) = (medians.get(above), medians.get(below)) {
            println!("{what}: {:.2} (goal: {goal})", above / below);
        }
    };
    tell("dynamic, of its floor", PLAIN, FLOOR, "at most 1.15");
    tell("static, of its floor", &fixed(PLAIN), &fixed(FLOOR), "at most 1.75");
    tell("static, of dynamic", &fixed(PLAIN), PLAIN, "at most 0.55");
    tell("among 5000 other entries, of alone", CROWDED, PLAIN, "1");
}

/// A command line of codexline, which must print `expected`.
pub fn codexline(
    name: &str,
    home: &Home,
    program: &Path,
    arguments: &[&str],
    expected: &str,
) -> Program {
    let mut command = home.wrapped(&[program.to_str().unwrap()]);
    command.args(arguments);
    let output = finish(&mut command);
    assert!(output.code == Some(0) && output.stdout.contains(expected), "{name}: {output:?}");
    Program::new(name, &command)
}

/// The same random order in every run, and another one in each round.
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

/// The median of the ratios within each round.
fn ratio(walls: &[f64], floors: &[f64]) -> f64 {
    median(&walls.iter().zip(floors).map(|(wall, floor)| wall / floor).collect::<Vec<f64>>())
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "-".into())
}

fn write_config(home: &Home) {
    let directory = home.path().join("config/codexline");
    std::fs::create_dir_all(&directory).unwrap();
    let config = "separator = \" / \"\nwarn = 80\n[tmux]\nmax-age = \"5m\"\n";
    std::fs::write(directory.join("config.toml"), config).unwrap();
}

/// A home among the caches of that many other accounts, with as many sessions.
pub fn crowded(server: &Server, crowd: usize) -> Home {
    let home = Home::new(server);
    home.fill();
    let entry = std::fs::read(home.entry_path()).unwrap();
    for number in 0..crowd {
        let path = home.cache_directory().join(format!("{number:016x}.json"));
        std::fs::write(&path, &entry).unwrap();
        std::fs::write(path.with_extension("lock"), "").unwrap();
        let (month, day) = (number % 12 + 1, number % 28 + 1);
        let day = home.codex_home().join(format!("sessions/2026/{month:02}/{day:02}"));
        std::fs::create_dir_all(&day).unwrap();
        let session = "{\"type\":\"session_meta\"}\n";
        std::fs::write(day.join(format!("rollout-{number}.jsonl")), session).unwrap();
    }
    home
}
