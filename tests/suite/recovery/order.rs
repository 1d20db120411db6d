//! The order of a refresh, by its system calls: everything is synced before it is relied upon, and
//! nothing can wait for a disk while Codex's locks are held.

use super::crash::{Call, calls, every_call};
use super::{Issuer, codex_text};

#[test]
fn everything_is_synced_before_it_is_relied_upon() {
    needs!("strace");
    let issuer = Issuer::new();
    let calls = calls(&issuer, &issuer.home());
    let order: [(&str, &[&str]); 13] = [
        ("the room", &["fsync(", "/auth.json.codexline.new>"]),
        ("the user's record", &["fsync(", "/codexline/tokens/"]),
        ("its directory", &["fsync(", "/codexline/tokens>"]),
        ("the record beside auth.json", &["fsync(", "/auth.json.codexline.ledger.new>"]),
        ("in its place", &["rename(", "/auth.json.codexline.ledger\")"]),
        ("its directory", &["fsync(", "/codex>"]),
        ("the token is sent", &["sendto(", "POST /oauth"]),
        ("the answer", &["fsync(", "/auth.json.codexline.new>"]),
        ("Codex's lock", &["flock(", "/auth.lock>", "LOCK_EX"]),
        ("its other one", &["flock(", "/auth.json.lock>", "LOCK_EX"]),
        ("auth.json", &["rename(", "/auth.json.codexline.new\"", "/auth.json\")"]),
        ("Codex's lock is free", &["flock(", "/auth.lock>", "LOCK_UN"]),
        ("the directory", &["fsync(", "/codex>"]),
    ];
    let places = in_order(&calls, &order);
    // Between taking the first lock and leaving it: two locks, looks at names, one rename.
    for call in &calls[places[8]..=places[11]] {
        let may_be = ["flock", "statx", "fstat", "newfstatat", "stat", "lstat", "rename"];
        assert!(may_be.contains(&call.name.as_str()), "under Codex's locks: {}", call.line);
    }
}

/// Where these calls are, each searched for behind the one before it by parts of its line.
#[track_caller]
fn in_order(calls: &[Call], order: &[(&str, &[&str])]) -> Vec<usize> {
    let mut from = 0;
    let found = order.iter().map(|(what, parts)| {
        let is_it = |call: &Call| parts.iter().all(|part| call.line.contains(part));
        let found = calls[from..].iter().position(is_it);
        from += found.unwrap_or_else(|| panic!("{what} is missing, or comes too early")) + 1;
        from - 1
    });
    found.collect()
}

#[test]
fn tokens_that_are_kept_are_synced_before_the_answer_goes() {
    needs!("strace");
    let issuer = Issuer::new();
    let home = issuer.home();
    let path = home.auth_path();
    issuer.before_answer(move || std::fs::remove_file(path).unwrap());
    let calls = every_call(&issuer, &home);
    in_order(
        &calls,
        &[
            ("the answer", &["fsync(", "/auth.json.codexline.new>"]),
            ("what is kept", &["fsync(", "/codexline/kept/", ".json.new>"]),
            ("in its place", &["rename(", "/codexline/kept/"]),
            ("its directory", &["fsync(", "/codexline/kept>"]),
            ("the answer goes", &["unlink(", "/auth.json.codexline.new\""]),
            ("the record of it", &["fsync(", "/auth.json.codexline.ledger.new>"]),
            ("its directory", &["fsync(", "/codex>"]),
            ("the user's record", &["fsync(", "/codexline/tokens/", ".new>"]),
            ("its directory", &["fsync(", "/codexline/tokens>"]),
        ],
    );
}

#[test]
fn an_answer_that_is_made_anew_is_synced_too() {
    needs!("strace");
    // The file has changed during the POST, so the answer is merged into what is there now.
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    let (path, text) = (home.auth_path(), codex_text(&old) + "\n");
    issuer.before_answer(move || std::fs::write(path, text).unwrap());
    let calls = calls(&issuer, &home);
    let place = |parts: &[&str], from: usize| {
        let is_it = |line: &str| parts.iter().all(|part| line.contains(part));
        let found = calls[from..].iter().position(|call| is_it(&call.line));
        from + found.unwrap_or_else(|| panic!("no {parts:?}"))
    };
    let synced = place(&["fsync(", "/auth.json.codexline.new.new>"], 0);
    let renamed = place(&["rename(", "/auth.json.codexline.new.new\""], synced);
    let directory = place(&["fsync(", "/codex>"], renamed);
    place(&["rename(", "/auth.json.codexline.new\"", "/auth.json\")"], directory);
}
