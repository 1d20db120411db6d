//! The user's commands. `--on-fetch` runs once new numbers are stored, so that a bar can redraw at
//! once. `--on-change` runs if the numbers say that a limit has changed its state. Only workers and
//! `codexline fetch` run them, and only after the lock is released, so that a command that hangs
//! blocks nobody.

use crate::io::env::Env;
use crate::io::output::Log;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A signal to a bar takes milliseconds. A command that still runs then hangs, and is killed.
const LIMIT: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Tells a codexline that it was started by such a command. The value is the time at which the
/// command was started, in Unix seconds: a bar or a tmux server that the command starts passes the
/// variable on for ever, and it must not count for ever.
const MARK: &str = "CODEXLINE_PUSHED_AT";

/// Whether this process was started by such a command. Then it starts no fetch: with a short
/// `--max-age` that fetch would run the command again, and so on.
pub fn in_hook(env: &Env) -> bool {
    let started = env.text(MARK).and_then(|text| text.parse::<i64>().ok());
    let now = env.now().unix_seconds();
    started
        .is_some_and(|started| (0..=LIMIT.as_secs() as i64).contains(&now.saturating_sub(started)))
}

/// Runs a command and waits for its end. Failures are only logged.
///
/// `option`: where the command comes from. `env_vars`: variables that are added to its environment.
pub fn run(option: &str, command_line: &str, env_vars: &[(&str, String)], env: &Env, log: &Log) {
    log.debug(format_args!("running {option}"));
    let mut command = crate::io::platform::shell(command_line);
    command
        .envs(env_vars.iter().map(|(name, value)| (name, value)))
        .env(MARK, env.now().unix_seconds().to_string());
    run_within(LIMIT, option, command, log);
}

fn run_within(limit: Duration, option: &str, mut command: Command, log: &Log) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    crate::io::platform::detach(&mut command);
    let begun = Instant::now();
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return log.debug(format_args!("{option} cannot be run: {error}")),
    };
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return log.debug(format_args!("{option} ended: {status}")),
            Err(error) => return log.debug(format_args!("{option} is lost: {error}")),
            Ok(None) if begun.elapsed() >= limit => break,
            Ok(None) => std::thread::sleep(LOOK_AGAIN),
        }
    }
    crate::io::platform::end_session(&mut child);
    let _ = child.wait();
    log.debug(format_args!("{option} did not end within {} s: killed", limit.as_secs()));
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::io::platform::shell;
    use crate::model::time::Timestamp;

    fn env(variables: &[(&str, &str)]) -> Env {
        Env::for_test(variables, || Timestamp::from_unix_seconds(1_000_000))
    }

    #[test]
    fn the_mark_does_not_last() {
        let check = |mark: &str| in_hook(&env(&[(MARK, mark)]));
        assert!(check("1000000") && check("999970"));
        assert!(
            !check("999969") && !check("1000001") && !check("x") && !check("-9223372036854775808")
        );
        assert!(!in_hook(&env(&[])));
    }

    #[test]
    fn a_command_that_hangs_is_ended_with_its_children() {
        let directory = std::env::temp_dir().join(format!("codexline-push-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("pid");
        let begun = Instant::now();
        // The shell waits for its child. Both have to be killed.
        let command_line = format!("sleep 60 & echo $! > '{}'; wait", file.display());
        run_within(
            Duration::from_millis(500),
            "--on-fetch",
            shell(&command_line),
            &Log::new(false),
        );
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let text = crate::io::files::read_bounded(&file, 100).unwrap();
        let child: i32 = String::from_utf8(text).unwrap().trim().parse().unwrap();
        let gone = || {
            // A killed child of a killed shell is a zombie until its new parent has waited for it.
            let status =
                crate::io::files::read_once(format!("/proc/{child}/stat").as_ref(), &mut [0; 512])
                    .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            status.map_or(true, |status| status.contains(") Z "))
        };
        let begun = Instant::now();
        while !gone() {
            assert!(begun.elapsed() < Duration::from_secs(10), "process {child} still runs");
            std::thread::sleep(Duration::from_millis(10));
        }
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_command_that_ends_is_not_waited_for_any_longer() {
        let begun = Instant::now();
        run_within(Duration::from_secs(60), "--on-fetch", shell("exit 3"), &Log::new(false));
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
