//! The order of a refresh, by its system calls: everything is synced before it is relied upon, and
//! nothing can wait for a disk while Codex's locks are held.

use super::crash::calls;
use super::{Issuer, codex_text};

#[test]
fn everything_is_synced_before_it_is_relied_upon() {
    needs!("strace");
    let issuer = Issuer::new();
    let calls = calls(&issuer, &issuer.home());
    // Each is searched for behind the one before it: parts of the call's line.
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
    let mut from = 0;
    let mut places = Vec::new();
    for (what, parts) in order {
        let is_it = |line: &str| parts.iter().all(|part| line.contains(part));
        let found = calls[from..].iter().position(|call| is_it(&call.line));
        let found = found.unwrap_or_else(|| panic!("{what} is missing, or comes too early"));
        from += found + 1;
        places.push(from - 1);
    }
    // Between taking the first lock and leaving it: two locks, looks at names, one rename.
    for call in &calls[places[8]..=places[11]] {
        let may_be = ["flock", "statx", "fstat", "newfstatat", "stat", "lstat", "rename"];
        assert!(may_be.contains(&call.name.as_str()), "under Codex's locks: {}", call.line);
    }
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
