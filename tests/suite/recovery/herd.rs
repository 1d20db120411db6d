//! Many at once: one spender.

use std::process::{Child, Stdio};
use std::time::Instant;

use serde_json::json;

use super::{Issuer, beside, codex_text, holds, succeeds};
use crate::support::home::{Home, Login, Output, collect};
use crate::support::server::{Answer, Gate};
use crate::support::{TOKEN, USAGE, eventually};

const HERD: usize = 50;

/// Starts that many fetches at once, each changed by `change`, and gives what each printed.
/// `meanwhile` is done when all run.
fn herd(
    home: &Home,
    change: impl Fn(usize, &mut std::process::Command),
    meanwhile: impl FnOnce(),
) -> Vec<Output> {
    let began = Instant::now();
    let start = |number| {
        let mut command = home.command(&["fetch"]);
        change(number, &mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..HERD).map(start).collect();
    meanwhile();
    children.into_iter().map(|child| collect(child, began)).collect()
}

#[test]
fn fifty_runs_on_one_cache_spend_one_token() {
    let issuer = Issuer::new();
    let home = issuer.home();
    herd(&home, |_, _| {}, || {}).iter().for_each(succeeds);
    assert_eq!(issuer.posts(), 1);
    holds(&home, &issuer.minted());
}

#[test]
fn fifty_runs_with_fifty_caches_spend_one_token() {
    let issuer = Issuer::new();
    let home = issuer.home();
    // All have asked before the first is refused.
    let gate = Gate::closed();
    for _ in 0..HERD {
        let refusal = Answer::json(401, &json!({"error": {"code": "token_expired"}}));
        issuer.server.push(USAGE, refusal.behind(&gate));
    }
    let caches = home.path().join("caches");
    let outputs = herd(
        &home,
        |number, command| {
            command.env("XDG_CACHE_HOME", caches.join(number.to_string()));
        },
        || {
            issuer.server.wait_for(USAGE, HERD);
            gate.open();
        },
    );
    outputs.iter().for_each(succeeds);
    assert_eq!((issuer.gets(), issuer.posts()), (2 * HERD, 1));
    holds(&home, &issuer.minted());
}

#[test]
fn fifty_runs_on_a_refused_token_send_it_once() {
    let issuer = Issuer::new();
    let home = issuer.home();
    issuer.server.push(TOKEN, Answer::json(400, &json!({"error": "invalid_grant"})));
    let caches = home.path().join("caches");
    let outputs = herd(
        &home,
        |number, command| {
            command.env("XDG_CACHE_HOME", caches.join((number % 7).to_string()));
        },
        || {},
    );
    assert!(outputs.iter().all(|output| output.code == Some(1)));
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn two_homes_with_links_to_one_login_have_one_spender() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let gate = issuer.hold();
    let other = home.path().join("other-home");
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(home.auth_path(), other.join("auth.json")).unwrap();
    std::fs::copy(home.codex_home().join("config.toml"), other.join("config.toml")).unwrap();
    let outputs = herd(
        &home,
        |number, command| {
            command.env("XDG_CACHE_HOME", home.path().join(format!("cache-{}", number % 4)));
            if number % 2 == 0 {
                command.env("CODEX_HOME", &other);
            }
        },
        || {
            eventually("a POST", || issuer.posts() == 1);
            gate.open();
        },
    );
    outputs.iter().for_each(succeeds);
    assert_eq!(issuer.posts(), 1);
    holds(&home, &issuer.minted());
    assert!(other.join("auth.json").is_symlink());
}

#[test]
fn whoever_loses_the_race_waits_for_the_winner() {
    // Codex has spent the token a moment earlier, and commits when we have been refused.
    let issuer = Issuer::new();
    let home = issuer.home();
    issuer
        .server
        .push(TOKEN, Answer::json(401, &json!({"error": {"code": "refresh_token_reused"}})));
    let winner = issuer.good();
    let outputs = std::thread::scope(|scope| {
        let loser = scope.spawn(|| super::fetch(&issuer, &home));
        eventually("the refusal", || {
            let ledger = std::fs::read_to_string(beside(&home, ".ledger"));
            ledger.is_ok_and(|text| text.contains("\"refused\""))
        });
        home.write_auth(codex_text(&winner));
        loser.join().unwrap()
    });
    succeeds(&outputs);
    holds(&home, &winner);
    assert_eq!((issuer.gets(), issuer.posts()), (2, 1));
    assert_eq!(issuer.server.last(USAGE).bearer(), Some(winner.access_token.as_str()));
}

/// Waits as long as for one; called where others wait too.
pub fn another_account_is_no_winner() {
    let issuer = Issuer::new();
    let login = issuer.expired();
    let home = issuer.home_of(&login);
    issuer.spend(&login);
    let other = Login { account: Some("acc-2".into()), ..issuer.good() };
    let (path, text) = (home.auth_path(), codex_text(&other));
    issuer.before_answer(move || std::fs::write(path, text).unwrap());
    let output = super::fetch(&issuer, &home);
    assert_eq!((output.code, issuer.gets(), issuer.posts()), (Some(1), 1, 1), "{output:?}");
    assert!(output.took >= std::time::Duration::from_secs(5), "{output:?}");
}
