//! The edge: arguments, environment and clock come in here, once, and an exit status goes out.

use codexline::cli::{self, Invocation};
use codexline::environment::Surroundings;
use codexline::error::Error;
use codexline::{auth, demo, fetch, line, output};
use std::process::ExitCode;

fn main() -> ExitCode {
    let surroundings = Surroundings::of_process();
    match run(&surroundings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(format_args!("{error}; {}", error.hint()));
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

fn run(surroundings: &Surroundings) -> Result<(), Error> {
    match cli::parse(std::env::args_os().collect(), surroundings)? {
        Invocation::Line(settings) => line::run(&settings, surroundings),
        Invocation::Fetch { settings, is_worker } => fetch::run(&settings, surroundings, is_worker)?,
        Invocation::Auth => auth::show(surroundings)?,
        Invocation::AuthRefresh(refresh) => auth::refresh(&refresh, surroundings)?,
        Invocation::Demo(settings) => demo::run(&settings, surroundings),
        Invocation::Print(text) => output::print(&text),
    }
    Ok(())
}
