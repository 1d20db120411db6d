//! Every wait of a refresh has an end. The clock of these runs goes twenty times as fast, so a
//! minute of patience takes three seconds.

use std::process::Command;
use std::time::{Duration, Instant};

use super::crash::{Call, calls, place};
use super::{
    Issuer, PROGRAM, beside, codex_text, fetch, holds, kept, ledger, no_rescue, read, succeeds,
};
use crate::support::home::{Home, Output, finish};

/// By how much the clock of a run is too fast.
const SPEED: u32 = 20;

/// `codexline auth refresh` with that clock. At each `call` on `path`, strace does what `what`
/// says: see strace(1), "inject".
fn hurried(home: &Home, path: &str, call: &str, what: &str) -> Command {
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:{what}"));
    let clock = format!("+0 x{SPEED}");
    let strace = ["strace", "-f", "-o", "/dev/null", "-P", path, "-e", &trace, "-e", &inject];
    let faketime = ["faketime", "-f", &clock, PROGRAM, "auth", "refresh"];
    let mut command = home.wrapped(&[&strace[..], &faketime].concat());
    command.env("NO_FAKE_STAT", "1");
    command
}

/// It failed with a message that has these words, after waiting for that long by its clock.
#[track_caller]
fn gave_up(output: &Output, words: &str, patience: u64) {
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains(words), "{output:?}");
    let least = Duration::from_secs(patience) / SPEED;
    assert!(output.took >= least, "{:?}: {output:?}", output.took);
}

fn staged(home: &Home) -> String {
    beside(home, ".new").display().to_string()
}

/// The file in which new tokens are kept cannot be made: a file has the name of its directory.
fn nothing_can_be_kept(home: &Home) {
    let state = home.path().join("home/.local/state/codexline");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("kept"), "").unwrap();
}

#[test]
fn a_disk_that_stays_full_leaves_the_answer_where_there_is_room() {
    needs!("strace", "faketime");
    let issuer = Issuer::new();
    let home = issuer.home();
    // The first write takes the room.
    let full = "error=ENOSPC:when=2+";
    let output = finish(&mut hurried(&home, &staged(&home), "write", full));
    gave_up(&output, "new tokens for", 60);
    no_rescue(&home);
    assert_eq!(kept(&home).len(), 1);
    assert!(read(&kept(&home)[0]).contains(&issuer.minted().refresh_token));
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert!(kept(&home).is_empty());
    assert_eq!((issuer.posts(), ledger(&home)), (1, vec!["committed".to_owned()]));
}

#[test]
fn where_no_disk_takes_the_answer_it_says_that_it_is_lost() {
    needs!("strace", "faketime");
    let issuer = Issuer::new();
    let home = issuer.home();
    nothing_can_be_kept(&home);
    let full = "error=ENOSPC:when=2+";
    let output = finish(&mut hurried(&home, &staged(&home), "write", full));
    gave_up(&output, "could not be written", 60);
    assert!(output.stderr.contains("run codex login"), "{output:?}");
    for _ in 0..2 {
        fetch(&issuer, &home);
        assert_eq!(issuer.posts(), 1, "the old token has been used up");
    }
}

#[test]
fn codex_s_locks_are_waited_for_and_the_answer_is_there_afterwards() {
    needs!("strace", "faketime");
    for name in ["auth.lock", "auth.json.lock"] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let held = super::commit::flock(&home.codex_home().join(name));
        // Somebody tidies the answer away in each moment: it is made again from memory.
        let removed = "error=ENOENT:when=40+";
        let output = finish(&mut hurried(&home, &staged(&home), "statx", removed));
        gave_up(&output, "codex holds its locks", 20);
        assert!(read(&beside(&home, ".new")).contains(&issuer.minted().refresh_token));
        drop(held);
        succeeds(&fetch(&issuer, &home));
        holds(&home, &issuer.minted());
        assert_eq!(issuer.posts(), 1);
    }
}

#[test]
fn what_only_memory_has_is_not_called_safe() {
    needs!("strace", "faketime");
    let issuer = Issuer::new();
    let home = issuer.home();
    nothing_can_be_kept(&home);
    let held = super::commit::flock(&home.codex_home().join("auth.lock"));
    // The answer is tidied away, and what has its other name cannot be removed.
    let (staged, other) = (beside(&home, ".new"), beside(&home, ".new.new"));
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| finish(&mut hurried(&home, "/nowhere", "statx", "error=ENOENT")));
        crate::support::eventually("the answer", || {
            std::fs::read(&staged).is_ok_and(|bytes| bytes.starts_with(b"{"))
        });
        std::fs::create_dir(&other).unwrap();
        std::fs::remove_file(&staged).unwrap();
        run.join().unwrap()
    });
    drop(held);
    gave_up(&output, "could not be written", 60);
    assert!(output.stderr.contains("run codex login"), "{output:?}");
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn a_file_that_is_never_ours_ends_the_commit_at_last() {
    needs!("strace", "faketime");
    let issuer = Issuer::new();
    let home = issuer.home();
    // The name of the staged file is never that of the file that was written.
    let output = finish(&mut hurried(&home, &staged(&home), "statx", "error=ENOENT:when=1+"));
    gave_up(&output, "it keeps changing", 60);
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn another_codexline_is_waited_for_and_not_for_ever() {
    needs!("strace", "faketime");
    let issuer = Issuer::new();
    let home = issuer.home();
    let held = super::commit::flock(&beside(&home, ".lock"));
    let output = finish(&mut hurried(&home, "/nowhere", "statx", "error=ENOENT"));
    gave_up(&output, "another codexline", 180);
    assert_eq!(issuer.posts(), 0);
    drop(held);
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
}

// --- without a clock -----------------------------------------------------------------------------

#[test]
fn a_rename_that_keeps_failing_leaves_the_answer_to_the_next_run() {
    needs!("strace");
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    // A login file may have a megabyte, and so may what is staged.
    let much = format!("{{\n  \"made_up\": \"{}\",", "x".repeat(1_000_000));
    home.write_auth(codex_text(&old).replacen('{', &much, 1));
    let staged = staged(&home);
    let line = ["strace", "-f", "-o", "/dev/null", "-P", &staged, "-e", "trace=rename"];
    for error in ["EIO", "EROFS", "ENOSPC", "EACCES"] {
        let inject = format!("inject=rename:error={error}");
        let rest = ["-e", &inject, PROGRAM, "fetch", "--verbose"];
        let output = finish(&mut home.wrapped(&[&line[..], &rest].concat()));
        super::fails(&home, &output, "commit_pending");
        assert!(read(&beside(&home, ".new")).contains(&issuer.minted().refresh_token));
        assert_eq!((issuer.posts(), ledger(&home)), (1, vec!["sent".to_owned()]));
    }
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert_eq!((issuer.posts(), ledger(&home)), (1, vec!["committed".to_owned()]));
}

/// `fetch` in which auth.json is away for each of these looks, by numbers among those of its kind.
fn away_for(home: &Home, name: &str, when: &str) -> Output {
    let auth = home.auth_path().display().to_string();
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:{when}"));
    let line = ["strace", "-f", "-o", "/dev/null", "-P", &auth, "-e", &trace, "-e", &inject];
    finish(&mut home.wrapped(&[&line[..], &[PROGRAM, "fetch", "--verbose"]].concat()))
}

#[test]
fn a_file_that_is_missing_for_a_moment_gets_its_tokens() {
    needs!("strace");
    // A program replaces auth.json in two steps: away, and there again. Four looks, 50 ms apart.
    let issuer = Issuer::new();
    let home = issuer.home();
    let calls = calls(&issuer, &home);
    let post = place(&calls, &["sendto(", "POST /oauth"]);
    // By its name, or by a descriptor, as strace's -P has it.
    let names = ["\"", ">"].map(|end| format!("{}{end}", home.auth_path().display()));
    let is_look =
        |call: &&Call| call.name == "statx" && names.iter().any(|name| call.line.contains(name));
    let before = calls[..post].iter().filter(is_look).count();
    assert!(calls[post..].iter().filter(is_look).count() >= 3, "the commit looks");
    for (looks, is_stored) in [(1, true), (3, true), (4, false)] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let when = format!("error=ENOENT:when={}..{}", before + 1, before + looks);
        let began = Instant::now();
        let output = away_for(&home, "statx", &when);
        assert!(began.elapsed() >= Duration::from_millis(50) * (looks as u32 - 1));
        assert_eq!(issuer.posts(), 1, "{output:?}");
        if is_stored {
            succeeds(&output);
            holds(&home, &issuer.minted());
            assert!(kept(&home).is_empty());
        } else {
            // It counts as gone, and the tokens are kept. The next run finds it there.
            assert_eq!(kept(&home).len(), 1, "{output:?}");
        }
        succeeds(&fetch(&issuer, &home));
        holds(&home, &issuer.minted());
        assert_eq!(issuer.posts(), 1);
    }
}

#[test]
fn a_file_that_cannot_be_read_during_the_commit_is_not_one_that_is_gone() {
    // A directory in its place for a moment: nobody knows what was in the file.
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    let path = home.auth_path();
    issuer.before_answer(move || {
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    });
    super::fails(&home, &fetch(&issuer, &home), "commit_pending");
    assert!(kept(&home).is_empty());
    assert!(read(&beside(&home, ".new")).contains(&issuer.minted().refresh_token));
    std::fs::remove_dir(home.auth_path()).unwrap();
    home.write_auth(codex_text(&old));
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn a_file_that_is_empty_for_a_moment_is_read_again() {
    needs!("strace");
    let issuer = Issuer::new();
    let home = issuer.home();
    let auth = format!("{}>", home.auth_path().display());
    let calls = calls(&issuer, &home);
    let reads = calls.iter().filter(|call| call.name == "read" && call.line.contains(&auth));
    let reads = reads.count();
    assert!(reads >= 8, "{reads}");
    // Each read in turn says that the file ends there.
    let numbers: Vec<usize> = (1..=reads).collect();
    super::each(&numbers, 3, |number| {
        let issuer = Issuer::new();
        let home = issuer.home();
        let output = away_for(&home, "read", &format!("retval=0:when={number}"));
        succeeds(&output);
        holds(&home, &issuer.minted());
        assert_eq!(issuer.posts(), 1, "{output:?}");
    });
}
