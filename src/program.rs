//! The edge: arguments, environment and clock come in here, and an exit status goes out.

use crate::background::{count, fetch};
use crate::cli::{self, Invocation};
use crate::commands::{activity, auth, check, config, demo, doctor, init, status};
use crate::io::env::Env;
use crate::io::output;
use crate::line;
use crate::model::error::Error;
use std::process::ExitCode;

/// Runs the program, and returns its exit status.
pub fn main() -> ExitCode {
    let env = Env::from_process();
    match run(&env) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            output::warn(format_args!("{error}; {}", error.hint()));
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

/// Does what was typed, and returns the exit status.
fn run(env: &Env) -> Result<u8, Error> {
    match cli::parse(std::env::args_os().collect(), env)? {
        Invocation::Line(settings) => return Ok(line::run(&settings, env)),
        Invocation::Fetch(args) => fetch::run(&args, env)?,
        Invocation::Count(settings) => count::run(&settings, env)?,
        Invocation::Status(args) => return Ok(status::run(&args, env)),
        Invocation::Check(args) => return Ok(u8::from(!check::run(&args, env))),
        Invocation::Doctor(args) => return Ok(u8::from(!doctor::run(&args, env))),
        Invocation::Activity(args) => return activity::run(&args, env),
        Invocation::Auth => auth::show(env)?,
        Invocation::AuthRefresh(args) => auth::refresh(&args, env)?,
        Invocation::Config(args) => config::show(&args, env)?,
        Invocation::Demo(args) => demo::run(&args, env),
        Invocation::Init(args) => return init::run(&args, env),
        Invocation::Uninstall(args) => return init::uninstall(&args, env),
        Invocation::Print(text) => output::print(&text),
    }
    Ok(0)
}
