//! What happens to the files beside auth.json, to locks that are worth nothing, and to copies: each
//! refresh token is sent once, and no file is put in the place of auth.json that is not the answer.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use super::{
    Issuer, PROGRAM, beside, codex_text, each, fails, fetch, holds, kept, no_rescue, read, succeeds,
};
use crate::support::home::{Home, collect, finish};
use crate::support::server::{Answer, Gate};
use crate::support::{USAGE, eventually};

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Everything of codexline's own beside auth.json.
fn remove_sidecars(home: &Home) {
    for ending in [".new", ".ledger", ".lock"] {
        let _ = std::fs::remove_file(beside(home, ending));
    }
}

#[test]
fn a_file_that_takes_the_place_of_the_staged_one_is_never_put_in_place() {
    for foreign in [" ".repeat(34 * 1024), "{\"tokens\":{\"access_token\":\"made-up\"}}".into()] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let staged = beside(&home, ".new");
        issuer.before_answer(move || {
            std::fs::remove_file(&staged).unwrap();
            std::fs::write(&staged, foreign).unwrap();
        });
        succeeds(&fetch(&issuer, &home));
        holds(&home, &issuer.minted());
        assert_eq!(issuer.posts(), 1);
    }
}

#[test]
fn removed_sidecars_and_another_run_cost_nothing() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let gate = issuer.hold();
    let began = Instant::now();
    let first = start(&mut home.command(&["fetch"]));
    eventually("the POST", || issuer.posts() == 1);
    remove_sidecars(&home);
    let others = ["auth", "fetch"].map(|verb| {
        let rest = if verb == "auth" { &["auth", "refresh"][..] } else { &["fetch"] };
        let mut command = home.command(rest);
        command.env("XDG_CACHE_HOME", home.path().join(verb));
        finish(&mut command)
    });
    for other in &others {
        assert_eq!(other.code, Some(1), "{other:?}");
        assert!(other.stderr.contains("codexline was ended while the login"), "{other:?}");
    }
    gate.open();
    succeeds(&collect(first, began));
    holds(&home, &issuer.minted());
    assert_eq!(issuer.posts(), 1);
    succeeds(&fetch(&issuer, &home));
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn where_locks_do_nothing_a_token_is_still_sent_once() {
    needs!("strace");
    each(&[1, 2, 3], 1, |_| {
        const MANY: usize = 8;
        let issuer = Issuer::new();
        let home = issuer.home();
        // All have been refused before the first of them sends the token.
        let gate = Gate::closed();
        for _ in 0..MANY {
            let refusal = Answer::json(401, &serde_json::json!({"error": "made up"}));
            issuer.server.push(USAGE, refusal.behind(&gate));
        }
        let began = Instant::now();
        let start = |number: usize| {
            let line = ["strace", "-f", "-o", "/dev/null", "-e", "inject=flock:retval=0"];
            let mut command = home.wrapped(&[&line[..], &[PROGRAM, "fetch"]].concat());
            command.env("XDG_CACHE_HOME", home.path().join(format!("cache-{number}")));
            start(&mut command)
        };
        let children: Vec<Child> = (0..MANY).map(start).collect();
        issuer.server.wait_for(USAGE, MANY);
        gate.open();
        for child in children {
            collect(child, began);
        }
        assert_eq!(issuer.posts(), 1);
        // Whatever they did to each other's files, two ordinary runs later all is well.
        fetch(&issuer, &home);
        succeeds(&fetch(&issuer, &home));
        assert_eq!(issuer.posts(), 1);
        holds(&home, &issuer.minted());
    });
}

/// A second home that is a copy of the first.
fn copied(home: &Home) -> std::path::PathBuf {
    let other = home.path().join("copy");
    let status = Command::new("cp").arg("-r").arg(home.codex_home()).arg(&other).status();
    assert!(status.unwrap().success());
    other
}

#[test]
fn a_copy_of_a_login_does_not_send_its_token_again() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let other = copied(&home);
    let in_copy = |verb: &[&str]| {
        let mut command = home.command(verb);
        command.env("CODEX_HOME", &other).env("XDG_CACHE_HOME", home.path().join("other-cache"));
        finish(&mut command)
    };
    let gate = issuer.hold();
    let began = Instant::now();
    let first = start(&mut home.command(&["fetch"]));
    eventually("the POST", || issuer.posts() == 1);
    // While it is on its way, and afterwards.
    let during = in_copy(&["fetch"]);
    assert_eq!(during.code, Some(1), "{during:?}");
    gate.open();
    succeeds(&collect(first, began));
    for verb in [&["fetch"][..], &["auth", "refresh"]] {
        let after = in_copy(verb);
        assert!(after.stderr.contains("another file has the new tokens"), "{after:?}");
        assert!(after.stderr.contains("run codex login"), "{after:?}");
    }
    assert_eq!(issuer.posts(), 1);
    holds(&home, &issuer.minted());
    // Nor if the records of the first home are removed.
    remove_sidecars(&home);
    in_copy(&["fetch"]);
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn the_user_s_record_holds_fingerprints_only() {
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    let gate = issuer.hold();
    let began = Instant::now();
    let child = start(&mut home.command(&["fetch"]));
    eventually("the POST", || issuer.posts() == 1);
    let directory = home.path().join("home/.local/state/codexline/tokens");
    let files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|file| file.unwrap()).collect();
    assert_eq!(files.len(), 1, "known before the first byte left");
    let text = read(&files[0].path());
    assert!(text.contains("\"sent\""), "{text}");
    issuer.check_text("the user's record", &text);
    assert_eq!(files[0].metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(std::fs::metadata(&directory).unwrap().mode() & 0o7777, 0o700);
    gate.open();
    succeeds(&collect(child, began));
    assert!(read(&files[0].path()).contains("\"committed\""));
}

#[test]
fn a_user_s_record_that_cannot_be_made_or_read_forbids_to_send() {
    let state = |home: &Home| home.path().join("home/.local/state/codexline");
    let issuer = Issuer::new();
    let home = issuer.home();
    std::fs::create_dir_all(state(&home)).unwrap();
    std::fs::write(state(&home).join("tokens"), "in the way").unwrap();
    fails(&home, &fetch(&issuer, &home), "ledger");
    assert_eq!(issuer.posts(), 0);
    no_rescue(&home);
    std::fs::remove_file(state(&home).join("tokens")).unwrap();
    succeeds(&fetch(&issuer, &home));
    assert_eq!(issuer.posts(), 1);
    // A record that is damaged says as much as one that can be read.
    let record = std::fs::read_dir(state(&home).join("tokens")).unwrap().next().unwrap().unwrap();
    std::fs::write(record.path(), "{").unwrap();
    std::fs::remove_file(beside(&home, ".ledger")).unwrap();
    let spent = issuer.posted().remove(0);
    let text = read(&home.auth_path()).replace(&issuer.minted().refresh_token, &spent);
    home.write_auth(text);
    issuer.expire_all();
    fails(&home, &fetch(&issuer, &home), "ledger");
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn an_answer_beside_another_file_is_found_by_its_token() {
    // auth.json is a link; the commit is left to the next run; then the link is replaced by a copy.
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    let dotfiles = home.path().join("dotfiles");
    std::fs::create_dir(&dotfiles).unwrap();
    let target = dotfiles.join("auth.json");
    std::fs::rename(home.auth_path(), &target).unwrap();
    symlink(&target, home.auth_path()).unwrap();
    let broken = target.clone();
    issuer.before_answer(move || std::fs::write(broken, "").unwrap());
    fails(&home, &fetch(&issuer, &home), "commit_pending");
    let staged = dotfiles.join("auth.json.codexline.new");
    assert!(staged.exists());
    std::fs::remove_file(home.auth_path()).unwrap();
    home.write_auth(codex_text(&old));
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert!(!staged.exists(), "it has been moved");
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn files_of_another_user_are_never_used() {
    needs!("root");
    for (ending, code) in [(".new", "staged"), (".ledger", "ledger")] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let before = read(&home.auth_path());
        let planted = if ending == ".new" {
            codex_text(&issuer.good())
        } else {
            "{\"schema\":1,\"records\":[]}".into()
        };
        std::fs::write(beside(&home, ending), &planted).unwrap();
        std::os::unix::fs::chown(beside(&home, ending), Some(65_534), Some(65_534)).unwrap();
        fails(&home, &fetch(&issuer, &home), code);
        assert_eq!(read(&home.auth_path()), before, "{ending}");
        assert_eq!(read(&beside(&home, ending)), planted);
        assert_eq!(issuer.posts(), 0);
        // A link that somebody has put there is not followed either.
        if ending == ".new" {
            std::fs::remove_file(beside(&home, ending)).unwrap();
            std::fs::write(home.path().join("elsewhere"), &planted).unwrap();
            symlink(home.path().join("elsewhere"), beside(&home, ending)).unwrap();
            fetch(&issuer, &home);
            assert_eq!(read(&home.auth_path()), before);
            assert_eq!(issuer.posts(), 0);
        }
    }
}

#[test]
fn a_run_that_was_ended_before_it_sent_anything_has_sent_nothing() {
    // Room was taken, and nothing was recorded.
    let issuer = Issuer::new();
    let home = issuer.home();
    std::fs::write(beside(&home, ".new"), " ".repeat(34 * 1024)).unwrap();
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert_eq!(issuer.posts(), 1);
    assert!(kept(&home).is_empty());
}
