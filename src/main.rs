//! The edge: arguments, environment and clock come in here, once, and an exit status goes out.
//!
//! On Linux the entry point is the C `main` instead of Rust's. What Rust's does before it comes to ours costs a
//! fifth of all instructions of a warm start with glibc, where it reads and parses `/proc/self/maps`, and ten system calls with musl: both to be able to
//! say "stack overflow" when there is one. What else it does is done in [`codexline::unix::begin`].

#![cfg_attr(all(target_os = "linux", not(test)), no_main)]

use codexline::arena::Arena;
use codexline::cli::{self, Invocation};
use codexline::environment::Surroundings;
use codexline::error::Error;
use codexline::{activity_command, auth, check, config, count, demo, doctor, fetch, line, output, status};
use std::ffi::OsString;

#[global_allocator]
static ARENA: Arena = Arena::new();

// SAFETY: the name is that of the C entry point, and nothing else in the program has it.
#[cfg(all(target_os = "linux", not(test)))]
#[unsafe(no_mangle)]
extern "C" fn main(count: std::ffi::c_int, values: *const *const std::ffi::c_char) -> std::ffi::c_int {
    codexline::unix::begin();
    // SAFETY: C promises it of the arguments of main.
    let arguments = unsafe { codexline::unix::arguments(count, values) };
    std::ffi::c_int::from(start(arguments))
}

#[cfg(not(all(target_os = "linux", not(test))))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(start(std::env::args_os().collect()))
}

// The unwinder, of which only backtraces are left with `panic = "abort"`, from gcc's archive instead of libgcc_s.so: a
// library less to find, map and relocate at every start. Both come with the C compiler that links.
// SAFETY: nothing is declared.
#[cfg(all(target_os = "linux", target_env = "gnu", panic = "abort", not(target_feature = "crt-static")))]
#[link(name = "gcc_eh", kind = "static", modifiers = "-bundle")]
unsafe extern "C" {}

/// Runs, and gives the exit status.
fn start(arguments: Vec<OsString>) -> u8 {
    let surroundings = Surroundings::of_process();
    match run(arguments, &surroundings) {
        Ok(status) => status,
        Err(error) => {
            output::complain(format_args!("{error}; {}", error.hint()));
            if matches!(error, Error::Usage(_)) { 2 } else { 1 }
        }
    }
}

/// What is to be done; its exit status.
fn run(arguments: Vec<OsString>, surroundings: &Surroundings) -> Result<u8, Error> {
    match cli::parse(arguments, surroundings)? {
        Invocation::Line(settings) => return Ok(line::run(&settings, surroundings)),
        Invocation::Fetch { settings, errand } => fetch::run(&settings, surroundings, errand)?,
        Invocation::Auth => auth::show(surroundings)?,
        Invocation::AuthRefresh(refresh) => auth::refresh(&refresh, surroundings)?,
        Invocation::Config { host, typed } => config::show(host, surroundings, &typed)?,
        Invocation::Status { settings, is_watched } => status::run(&settings, surroundings, is_watched),
        Invocation::Check { settings, wanted } => {
            return Ok(u8::from(!check::run(&wanted, &settings, surroundings)));
        }
        Invocation::Doctor { settings, wanted } => {
            return Ok(u8::from(!doctor::run(wanted, &settings, surroundings)));
        }
        Invocation::Activity(wanted) => return activity_command::run(&wanted, surroundings),
        Invocation::Count(settings) => count::run(&settings, surroundings)?,
        Invocation::Demo(settings) => demo::run(&settings, surroundings),
        Invocation::Print(text) => output::print(&text),
    }
    Ok(0)
}
