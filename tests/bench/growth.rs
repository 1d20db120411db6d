//! How cost grows: with the accounts shown, with the entries lying there, and with the bytes of
//! session files.

use crate::activity;
use crate::process::{Pinned, Program, median, milliseconds, spread, wait_for_all};
use crate::support::home::{Home, Login};
use crate::support::server::{Answer, Server};
use crate::support::{usage, usage_of};
use crate::warm::{codexline, crowded};
use std::path::Path;

pub fn run(program: &Path, rounds: usize) {
    println!(
        "{:<40} {:>9} {:>15} {:>12} {:>9}",
        "how cost grows", "median ms", "quartiles", "instructions", "resident"
    );
    let server = Server::start(|request| {
        let mut usage = usage_of(42, 17);
        usage["account_id"] = request.header("chatgpt-account-id").unwrap_or_default().into();
        Answer::json(200, &usage)
    });
    for accounts in [1, 10, 100] {
        let (home, words) = with_accounts(&server, accounts);
        let arguments = ["--account", &words, "--wait", "20s"];
        let expected = format!("a{} 5h 58%", accounts - 1);
        let name = format!("{accounts} accounts shown");
        tell(&codexline(&name, &home, program, &arguments, &expected), rounds);
    }
    let server = Server::start(|_| Answer::json(200, &usage()));
    for entries in [0, 100, 10_000] {
        let home = crowded(&server, entries);
        let name = format!("{entries} other entries and sessions");
        tell(&codexline(&name, &home, program, &[], "5h 58%"), rounds);
    }
    activity::growth(program);
}

fn tell(program: &Program, rounds: usize) {
    wait_for_all();
    let pinned = Pinned::to_one();
    let walls: Vec<f64> = (0..rounds.max(30)).map(|_| milliseconds(program.wall())).collect();
    drop(pinned);
    assert_eq!(wait_for_all(), 0, "a warm run starts nothing");
    let resident = program.resident().map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6));
    let instructions = program.instructions().map(|count| format!("{:.0} k", count as f64 / 1e3));
    println!(
        "{:<40} {:>9.3} {:>15} {:>12} {:>9}",
        program.name,
        median(&walls),
        spread(&walls),
        instructions.unwrap_or_else(|| "-".into()),
        resident.unwrap_or_else(|| "-".into()),
    );
}

/// A home with that many logins beside it, and the value of `--account` that names them all.
fn with_accounts(server: &Server, count: usize) -> (Home, String) {
    let home = Home::new(server);
    let config = std::fs::read(home.codex_home().join("config.toml")).unwrap();
    let words: Vec<String> = (0..count)
        .map(|number| {
            let directory = home.path().join(format!("a{number}"));
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("config.toml"), &config).unwrap();
            let login = Login::of(&format!("acc-{number}")).json().to_string();
            std::fs::write(directory.join("auth.json"), login).unwrap();
            format!("a{number}={}", directory.display())
        })
        .collect();
    (home, words.join(","))
}
