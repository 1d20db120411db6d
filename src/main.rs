//! The edge: arguments, environment and clock come in here, once, and an exit status goes out.

use codexline::background::{count, fetch};
use codexline::cli::{self, Invocation};
use codexline::commands::{activity, auth, check, config, demo, doctor, status};
use codexline::io::env::Env;
use codexline::io::output;
use codexline::line;
use codexline::model::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    let env = Env::from_process();
    match run(&env) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            output::warn(format_args!("{error}; {}", error.hint()));
            ExitCode::from(if matches!(error, Error::Usage(_)) { 2 } else { 1 })
        }
    }
}

/// What is to be done; its exit status.
fn run(env: &Env) -> Result<u8, Error> {
    match cli::parse(std::env::args_os().collect(), env)? {
        Invocation::Line(settings) => return Ok(line::run(&settings, env)),
        Invocation::Fetch { settings, trigger } => fetch::run(&settings, env, trigger)?,
        Invocation::Auth => auth::show(env)?,
        Invocation::AuthRefresh(refresh) => auth::refresh(&refresh, env)?,
        Invocation::Config { host, typed } => config::show(host, env, &typed)?,
        Invocation::Status { settings, is_watched } => status::run(&settings, env, is_watched),
        Invocation::Check { settings, wanted } => {
            return Ok(u8::from(!check::run(&wanted, &settings, env)));
        }
        Invocation::Doctor { settings, wanted } => {
            return Ok(u8::from(!doctor::run(wanted, &settings, env)));
        }
        Invocation::Activity(wanted) => return activity::run(&wanted, env),
        Invocation::Count(settings) => count::run(&settings, env)?,
        Invocation::Demo(settings) => demo::run(&settings, env),
        Invocation::Print(text) => output::print(&text),
    }
    Ok(0)
}
