//! What the prompt hook of zsh and bash costs: most prompts start no process.

use crate::process::{find, median, spread, wait_for_all};
use crate::support::home::{Home, finish};
use crate::support::server::{Answer, Server};
use crate::support::usage;
use std::path::Path;

const SHELLS: [(&str, &str, &[&str], &str); 2] = [
    (
        "prompt hook of zsh",
        "zsh",
        &["-f", "-d"],
        include_str!("../../integrations/zsh/codexline.zsh"),
    ),
    (
        "prompt hook of bash",
        "bash",
        &["--norc", "--noprofile"],
        include_str!("../../integrations/bash/codexline.bash"),
    ),
];

/// Prompts within ten minutes.
const PROMPTS: usize = 1000;
/// Seconds from one to the next.
const STEP: f64 = 0.6;

/// Prints a time in microseconds for each prompt of a batch, without that of the loop.
const TIMED: &str = "\
    [ -z \"${ZSH_VERSION-}\" ] || zmodload zsh/datetime\n\
    PS1='> ' RPROMPT=mine\n\
    __codexline_prompt\n\
    batch() { local at=$EPOCHREALTIME; local i; for ((i = 0; i < 1000; i++)); do $1; done;\n\
        local end=$EPOCHREALTIME; echo ${at/,/.} ${end/,/.}; }\n\
    n=0; while [ $n -lt BATCHES ]; do batch :; batch __codexline_prompt; n=$((n + 1)); done\n";

/// The prompts of ten minutes, whose clock is a file. After a start there is time for the worker,
/// as there would be.
const SIMULATED: &str = "\
    PS1='> ' RPROMPT=mine seen= n=0\n\
    while [ $n -lt PROMPTS ]; do\n\
        echo $((START + n * 6 / 10)) >\"$FAKETIME_TIMESTAMP_FILE\"\n\
        __codexline_prompt\n\
        [ \"$__codexline_until\" = \"$seen\" ] || sleep 0.2\n\
        seen=$__codexline_until n=$((n + 1))\n\
    done\n\
    exit 0\n";

pub fn run(program: &Path, rounds: usize) {
    println!(
        "{:<40} {:>9} {:>15} {:>28}",
        "a prompt without a process", "median µs", "quartiles", "starts in 1000 prompts, 10 min"
    );
    for (name, shell, arguments, snippet) in SHELLS {
        let Some(path) = find(shell) else {
            println!("no row of {shell}: it is not installed");
            continue;
        };
        let path = path.to_str().unwrap();
        let server = Server::start(|_| Answer::json(200, &usage()));
        let mut home = Home::new(&server);
        home.unset("CODEXLINE_MAX_IDLE");
        let bin = home.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let log = home.path().join("starts");
        let counting = format!(
            "#!/bin/sh\necho start >>'{}'\nexec '{}' \"$@\"\n",
            log.display(),
            program.display()
        );
        std::fs::write(bin.join("codexline"), counting).unwrap();
        crate::support::home::set_mode(&bin.join("codexline"), 0o755);
        home.set("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        let script = |name: &str, text: &str| {
            let file = home.path().join(name);
            std::fs::write(&file, format!("{snippet}{text}")).unwrap();
            file.to_str().unwrap().to_owned()
        };
        home.fill();

        let timed = script("timed", &TIMED.replace("BATCHES", &rounds.to_string()));
        let output = finish(home.wrapped(&[path]).args(arguments).arg(timed));
        assert!(output.code == Some(0) && output.stderr.is_empty(), "{output:?}");
        let batches: Vec<f64> = output
            .stdout
            .lines()
            .map(|line| {
                let (from, to) = line.split_once(' ').unwrap();
                // Microseconds a prompt: seconds a thousand, times a thousand.
                (to.parse::<f64>().unwrap() - from.parse::<f64>().unwrap()) * 1000.0
            })
            .collect();
        let costs: Vec<f64> = batches.chunks(2).map(|pair| pair[1] - pair[0]).collect();

        wait_for_all();
        let _ = std::fs::remove_file(&log);
        let simulated = script("simulated", &SIMULATED.replace("PROMPTS", &PROMPTS.to_string()));
        let starts = find("faketime").map(|faketime| {
            let clock = home.path().join("clock");
            home.fill();
            let start = crate::support::now().to_string();
            std::fs::write(&clock, format!("{start}\n")).unwrap();
            wait_for_all();
            let wrapper = [faketime.to_str().unwrap(), "-f", "+0", "env", "-u", "FAKETIME", path];
            let mut command = home.wrapped(&wrapper);
            command.args(arguments).arg(simulated);
            command.env("FAKETIME_TIMESTAMP_FILE", clock).env("FAKETIME_NO_CACHE", "1");
            // The file has Unix seconds, which stand still until the next are written.
            command.env("FAKETIME_FMT", "%s").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("START", start);
            let output = finish(&mut command);
            assert!(output.code == Some(0) && output.stderr.is_empty(), "{output:?}");
            let workers = wait_for_all();
            let starts = std::fs::read_to_string(&log).unwrap_or_default().lines().count();
            assert!(starts > 0 && PROMPTS as f64 * STEP == 600.0);
            (starts, workers)
        });
        let starts = match starts {
            Some((starts, workers)) => format!("{starts} (and {workers} workers)"),
            None => "- (no faketime)".into(),
        };
        println!("{name:<40} {:>9.1} {:>15} {starts:>28}", median(&costs), spread(&costs));
    }
    println!("goals: under 30 µs; at most 10 starts, one a minute\n");
}
