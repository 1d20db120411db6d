//! What a whole prompt costs: starship's, with codexline in it in each documented way, and without.

use crate::process::{Pinned, Program, find, median, milliseconds, spread, wait_for_all};
use crate::programs::Builds;
use crate::support::home::{Home, finish};
use crate::support::server::{Answer, Server};
use crate::support::usage;

const CUSTOM: &str = include_str!("../../integrations/starship/starship.toml");
const VARIABLE: &str = "[env_var.CODEXLINE]\nformat = '$env_value'\n";

pub fn run(builds: &Builds, rounds: usize) {
    let Some(starship) = find("starship") else {
        return println!("no rows of starship: it is not installed\n");
    };
    let server = Server::start(|_| Answer::json(200, &usage()));
    let mut rows: Vec<(Home, Program, Vec<f64>)> = Vec::new();
    let mut add = |name: &str, format: &str, module: &str, bin: &std::path::Path| {
        let mut home = Home::new(&server);
        home.fill();
        // starship looks for codexline on PATH.
        let directory = home.path().join("bin");
        std::fs::create_dir(&directory).unwrap();
        std::fs::copy(bin, directory.join("codexline")).unwrap();
        home.set("PATH", format!("{}:/usr/bin:/bin", directory.display()));
        home.set("STARSHIP_SHELL", "zsh");
        home.set("CODEXLINE", "Codex 5h 58% left 1h03m · 7d 83% 5d8h");
        let config = home.path().join("starship.toml");
        std::fs::write(&config, format!("format = '$directory{format}$character'\n{module}"))
            .unwrap();
        home.set("STARSHIP_CONFIG", &config);
        let mut command = home.wrapped(&[starship.to_str().unwrap(), "prompt"]);
        let shows = finish(&mut command).stdout.contains("58%");
        assert_eq!(shows, !format.is_empty(), "{name}");
        rows.push((home, Program::new(name, &command), Vec::new()));
    };
    add("starship, no module", "", "", &builds.program);
    for (linkage, _, program) in builds.linkages() {
        let name = format!("starship, custom module{linkage}");
        add(&name, "${custom.codexline}", CUSTOM, program);
    }
    add("starship, env_var", "${env_var.CODEXLINE}", VARIABLE, &builds.program);

    wait_for_all();
    let pinned = Pinned::to_one();
    for _ in 0..rounds {
        for (_, program, walls) in &mut rows {
            walls.push(milliseconds(program.wall()));
        }
    }
    drop(pinned);
    println!("{:<40} {:>9} {:>15} {:>12}", "whole prompt", "median ms", "quartiles", "difference");
    let alone = median(&rows[0].2);
    for (_, program, walls) in &rows {
        println!(
            "{:<40} {:>9.3} {:>15} {:>+12.3}",
            program.name,
            median(walls),
            spread(walls),
            median(walls) - alone,
        );
    }
    println!();
}
