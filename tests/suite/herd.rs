//! Many runs at once, and the worker behind them: one request however many runs there are, and a
//! worker that no host can kill or has to wait for.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::home::{Home, Output, collect, kill};
use crate::support::server::{Answer, Gate, Server};
use crate::support::{USAGE, USUAL_LINE, eventually, signed_in, usage, usage_of};

const HERD: usize = 100;
const NEW_LINE: &str = "Codex 5h 50% left · 7d 80% left\n";

fn start(home: &Home, arguments: &[&str]) -> Child {
    home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Starts that many runs at once, calls `meanwhile`, and returns what each printed.
fn herd(home: &Home, count: usize, arguments: &[&str], meanwhile: impl FnOnce()) -> Vec<Output> {
    let began = Instant::now();
    let children: Vec<Child> = (0..count).map(|_| start(home, arguments)).collect();
    meanwhile();
    children.into_iter().map(|child| collect(child, began)).collect()
}

#[track_caller]
fn all_print(outputs: &[Output], expected: &str) {
    for output in outputs {
        assert_eq!(
            (output.stdout.as_str(), output.stderr.as_str(), output.code),
            (expected, "", Some(0))
        );
    }
}

/// A stale entry, and a server that holds the next answer until the gate opens.
fn stale() -> (Server, Home, Gate) {
    let (server, home) = signed_in();
    home.fill();
    home.age(Duration::from_secs(300));
    let gate = Gate::closed();
    let held = gate.clone();
    server.script(move |_| Answer::json(200, &usage_of(50, 20)).behind(&held));
    (server, home, gate)
}

/// Waits for the worker and returns its process id. There must be only one.
fn worker(home: &Home) -> u32 {
    let mut found = Vec::new();
    eventually("a worker", || {
        found = home.processes();
        found
            .retain(|process| arguments_of(*process).iter().any(|argument| argument == "--worker"));
        !found.is_empty()
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

fn arguments_of(process: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect()
}

// --- many ----------------------------------------------------------------------------------------

#[test]
fn a_hundred_stale_prompts_cost_one_request_and_all_print() {
    let (server, home, gate) = stale();
    // None of them waits: all end while the answer is held back.
    let outputs = herd(&home, HERD, &["starship", "--color", "never"], || {});
    all_print(&outputs, USUAL_LINE);
    server.wait_for(USAGE, 2);
    worker(&home);
    gate.open();
    home.settle();
    assert_eq!(server.total(), 2, "one to fill the cache, one for the herd");
    all_print(&[home.run(&[])], NEW_LINE);
}

#[test]
fn a_hundred_that_wait_all_print_the_one_answer() {
    let server = Server::usage(usage());
    let gate = Gate::closed();
    let held = gate.clone();
    server.script(move |_| Answer::json(200, &usage()).behind(&held));
    let home = Home::new(&server);
    let outputs = herd(&home, HERD, &["plain", "--wait", "25s"], || {
        server.wait_for(USAGE, 1);
        gate.open();
    });
    all_print(&outputs, USUAL_LINE);
    home.settle();
    assert_eq!(server.total(), 1);
}

#[test]
fn a_herd_in_an_outage_costs_one_request_too() {
    let server = Server::start(|_| Answer::status(500));
    let home = Home::new(&server);
    all_print(&herd(&home, HERD / 2, &["plain", "--wait", "25s"], || {}), "Codex: outage\n");
    home.settle();
    all_print(&herd(&home, HERD / 2, &["plain", "--wait", "25s"], || {}), "Codex: outage\n");
    assert_eq!(server.total(), 1);
}

#[test]
fn a_herd_without_a_login_costs_none() {
    let (server, home) = signed_in();
    std::fs::remove_file(home.auth_path()).unwrap();
    all_print(&herd(&home, HERD / 2, &["plain", "--wait", "25s"], || {}), "Codex: signed out\n");
    assert_eq!(server.connections(), 0);
}

#[test]
fn each_home_has_a_herd_of_its_own() {
    let server = Server::usage(usage());
    let one = Home::new(&server);
    let mut two = Home::new(&server);
    two.set("XDG_CACHE_HOME", one.path().join("cache"));
    let outputs = std::thread::scope(|scope| {
        let run = |home| move || herd(home, HERD / 4, &["plain", "--wait", "25s"], || {});
        let (first, second) = (scope.spawn(run(&one)), scope.spawn(run(&two)));
        [first.join().unwrap(), second.join().unwrap()].concat()
    });
    all_print(&outputs, USUAL_LINE);
    assert_eq!(server.total(), 2);
}

// --- the lock ------------------------------------------------------------------------------------

#[test]
fn a_busy_lock_means_that_somebody_is_at_it() {
    let (server, home, gate) = stale();
    let run = || home.run(&["starship", "--color", "never"]);
    all_print(&[run()], USUAL_LINE);
    let worker = worker(&home);
    server.wait_for(USAGE, 2);
    all_print(&[run(), run(), run()], USUAL_LINE);
    assert_eq!(home.processes(), [worker], "nobody else was started");
    let waiting = start(&home, &["plain", "--wait", "25s"]);
    gate.open();
    all_print(&[collect(waiting, Instant::now())], NEW_LINE);
    home.settle();
    assert_eq!(server.total(), 2);
}

#[test]
fn a_killed_worker_leaves_the_lock_free_and_nothing_in_the_way() {
    use std::os::unix::fs::MetadataExt as _;
    let (server, home, gate) = stale();
    let run = || home.run(&["starship", "--color", "never"]);
    all_print(&[run()], USUAL_LINE);
    server.wait_for(USAGE, 2);
    let lock = home.entry_path().with_extension("lock");
    let inode = std::fs::metadata(&lock).unwrap().ino();
    kill(worker(&home));
    home.settle();
    // The next one takes over at once.
    all_print(&[run()], USUAL_LINE);
    server.wait_for(USAGE, 3);
    gate.open();
    home.settle();
    all_print(&[home.run(&[])], NEW_LINE);
    assert_eq!(std::fs::metadata(&lock).unwrap().ino(), inode, "the lock file is never deleted");
    let mut names: Vec<_> = std::fs::read_dir(home.cache_directory())
        .unwrap()
        .map(|file| file.unwrap().path().extension().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["json", "lock"], "an entry, its lock, no leftovers");
}

#[test]
fn a_worker_that_hangs_delays_nobody_for_longer_than_they_want() {
    let (server, home, gate) = stale();
    all_print(&[home.run(&["starship", "--color", "never"])], USUAL_LINE);
    let worker = worker(&home);
    server.wait_for(USAGE, 2);
    // SAFETY: no memory is involved; the process is this test's own.
    let signal = |number| unsafe { libc::kill(worker as i32, number) };
    signal(libc::SIGSTOP);
    all_print(
        &[home.run(&["plain", "--wait", "100ms"]), home.run(&["tmux", "--color=never"])],
        USUAL_LINE,
    );
    signal(libc::SIGCONT);
    gate.open();
    home.settle();
    all_print(&[home.run(&[])], NEW_LINE);
}

#[test]
fn the_answer_of_a_worker_is_not_fetched_again_by_one_that_came_late() {
    let (server, home) = signed_in();
    home.fill();
    // It was started when the entry was stale, and gets the lock when the entry is fresh again.
    for _ in 0..3 {
        all_print(&[home.run(&["fetch", "--worker"])], "");
    }
    assert_eq!(server.total(), 1);
}

// --- the worker and its host ---------------------------------------------------------------------

#[test]
fn a_host_that_kills_its_command_still_gets_the_answer() {
    for signal in [libc::SIGKILL, libc::SIGHUP, libc::SIGTERM, libc::SIGINT] {
        let server = Server::usage(usage());
        let gate = Gate::closed();
        server.push(USAGE, Answer::json(200, &usage()).behind(&gate));
        let home = Home::new(&server);
        let mut command = home.command(&["plain", "--wait", "25s"]);
        // A process group of its own, as a shell gives to its jobs. A closed terminal signals the
        // whole group.
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        server.wait_for(USAGE, 1);
        // SAFETY: no memory is involved; the group is this test's own.
        assert_eq!(unsafe { libc::kill(-(child.id() as i32), signal) }, 0);
        assert_eq!(child.wait().unwrap().code(), None, "ended by the signal");
        gate.open();
        eventually("the answer", || home.entry().is_some_and(|entry| !entry["answer"].is_null()));
        all_print(&[home.run(&["--offline"])], USUAL_LINE);
        assert_eq!(server.total(), 1);
    }
}

/// Starts a prompt and kills it the moment its line is there.
fn kill_after_the_line(home: &Home, expected: &str) {
    let mut child = start(home, &["starship", "--color", "never"]);
    let mut line = vec![0; expected.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    let _ = child.kill();
    child.wait().unwrap();
    assert_eq!(String::from_utf8(line).unwrap(), expected);
}

#[test]
fn a_prompt_that_is_killed_right_after_its_line_does_no_harm() {
    let (server, home) = signed_in();
    kill_after_the_line(&home, "Codex: loading\n");
    eventually("the answer", || home.entry().is_some_and(|entry| !entry["answer"].is_null()));
    assert_eq!(server.total(), 1);
    // With numbers to show, the line comes before the worker starts, so one kill can hit in
    // between. The next prompt makes up for it.
    server.always(Answer::json(200, &usage_of(50, 20)));
    home.age(Duration::from_secs(300));
    kill_after_the_line(&home, USUAL_LINE);
    home.settle();
    let output = home.run(&["starship", "--color", "never"]);
    assert!([USUAL_LINE, NEW_LINE].contains(&output.stdout.as_str()), "{output:?}");
    home.settle();
    all_print(&[home.run(&["--offline"])], NEW_LINE);
    assert_eq!(server.total(), 2);
}

#[test]
fn the_worker_holds_nothing_of_the_host_s() {
    let (server, home, gate) = stale();
    let secret = home.read_auth()["tokens"]["access_token"].as_str().unwrap().to_owned();
    let leak = home.path().join("of-the-host");
    std::fs::write(&leak, "").unwrap();
    // As waybar up to 0.9.17 does: further pipes and files without close-on-exec. One of them is
    // the writing end of the output that this test reads to its end.
    let program = env!("CARGO_BIN_EXE_codexline");
    let script = format!(
        "exec 5<'{0}' 7>>'{0}' 9>&1; exec {program} starship --color never",
        leak.display()
    );
    let mut command = home.wrapped(&["sh", "-c", &script]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    all_print(&[collect(child, Instant::now())], USUAL_LINE);
    server.wait_for(USAGE, 2);
    check_worker(&home, worker(&home), &leak, &secret);
    gate.open();
    home.settle();
    assert_eq!(server.total(), 2);
}

/// What the system tells of a running worker.
fn check_worker(home: &Home, process: u32, leak: &std::path::Path, secret: &str) {
    let link = |descriptor: &str| {
        std::fs::read_link(format!("/proc/{process}/fd/{descriptor}")).unwrap_or_default()
    };
    assert_eq!(link("0"), home.entry_path().with_extension("lock"));
    assert_eq!((link("1").to_str(), link("2").to_str()), (Some("/dev/null"), Some("/dev/null")));
    for descriptor in std::fs::read_dir(format!("/proc/{process}/fd")).unwrap() {
        let name = descriptor.unwrap().file_name().into_string().unwrap();
        let target = link(&name).display().to_string();
        assert_ne!(target, leak.display().to_string(), "descriptor {name}");
        assert!(!target.starts_with("pipe:"), "descriptor {name}: {target}");
    }
    // Fields after the command's name: state, parent, group, session, terminal.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(fields[3], process.to_string(), "a session of its own: {stat}");
    assert_eq!(fields[4], "0", "no terminal: {stat}");
    let arguments = arguments_of(process);
    assert!(arguments.iter().all(|argument| !argument.contains(secret)), "{arguments:?}");
    assert_eq!(
        std::fs::read_link(format!("/proc/{process}/cwd")).unwrap(),
        std::path::Path::new("/")
    );
}

#[test]
fn the_host_s_pipes_end_at_once() {
    let (server, home, gate) = stale();
    for host in ["starship", "plain"] {
        // stdout and stderr, both read to their end while the worker is held up.
        let output = home.run(&[host, "--color", "never"]);
        all_print(&[output], USUAL_LINE);
    }
    server.wait_for(USAGE, 2);
    // A pipe for clicks on stdin, as i3blocks has it. Its reading end closes with the command.
    let (reader, mut writer) = std::io::pipe().unwrap();
    let child = home.command(&["starship"]).stdin(reader).stdout(Stdio::null()).spawn();
    assert!(child.unwrap().wait().unwrap().success());
    let error = std::io::Write::write_all(&mut writer, b"x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    gate.open();
    home.settle();
}

#[test]
fn a_worker_outlives_a_replaced_program() {
    // An upgrade while prompts run: the new file is another inode, and the running one has no name
    // any more.
    let (server, home) = signed_in();
    let copied = home.copy_of_program();
    // The program is deleted between its start and the start of its worker.
    let script = format!("exec 3<{copied}; rm {copied}; exec /proc/self/fd/3 plain --wait 20s");
    let mut command = home.wrapped(&["sh", "-c", &script]);
    let output = crate::support::home::finish(&mut command);
    all_print(&[output], USUAL_LINE);
    assert_eq!(server.total(), 1);
}
