//! auth.json is away for a while, or another account's: the new tokens are kept until it is back.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{
    Issuer, beside, codex_text, fails, fetch, holds, kept, ledger, no_rescue, read, succeeds,
};
use crate::support::home::{Home, Login, finish};

/// A run in whose POST `change` is done to auth.json.
fn fetch_with(issuer: &Issuer, home: &Home, change: impl FnOnce(&Path) + Send + 'static) {
    let path = home.auth_path();
    issuer.before_answer(move || change(&path));
    fetch(issuer, home);
}

fn aside(home: &Home) -> PathBuf {
    home.path().join("aside")
}

/// The new tokens are in one file, which only its owner may read, and nowhere else.
#[track_caller]
fn keeps(issuer: &Issuer, home: &Home) {
    let files = kept(home);
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(read(&files[0]).contains(&issuer.minted().refresh_token));
    let mode = std::fs::metadata(&files[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    no_rescue(home);
}

#[test]
fn a_login_that_comes_back_gets_its_new_tokens() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let to = aside(&home);
    let from = to.clone();
    fetch_with(&issuer, &home, move |path| std::fs::rename(path, to).unwrap());
    keeps(&issuer, &home);
    assert_eq!(ledger(&home), ["kept"]);
    // As long as it is away, nothing changes.
    fails(&home, &fetch(&issuer, &home), "not_signed_in");
    keeps(&issuer, &home);
    std::fs::rename(from, home.auth_path()).unwrap();
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert!(kept(&home).is_empty());
    assert_eq!((issuer.posts(), ledger(&home)), (1, vec!["committed".to_owned()]));
}

#[test]
fn a_login_that_is_away_while_a_commit_is_pending_gets_them_too() {
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    // Half a file: the commit is left to the next run.
    fetch_with(&issuer, &home, |path| std::fs::write(path, "{").unwrap());
    assert!(beside(&home, ".new").exists());
    std::fs::remove_file(home.auth_path()).unwrap();
    fails(&home, &fetch(&issuer, &home), "not_signed_in");
    keeps(&issuer, &home);
    home.write_auth(codex_text(&old));
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    assert!(kept(&home).is_empty());
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn a_switch_to_another_account_and_back() {
    let issuer = Issuer::new();
    let old = issuer.expired();
    let home = issuer.home_of(&old);
    let other = Login { account: Some("acc-2".into()), ..issuer.expired() };
    let text = codex_text(&other);
    let written = text.clone();
    fetch_with(&issuer, &home, move |path| std::fs::write(path, written).unwrap());
    keeps(&issuer, &home);
    assert_eq!(read(&home.auth_path()), text);
    let first = issuer.minted();
    // The other account is refreshed meanwhile, in the same file.
    fetch(&issuer, &home);
    assert_eq!(issuer.posts(), 2);
    assert_eq!(kept(&home).len(), 1);
    home.write_auth(codex_text(&old));
    succeeds(&fetch(&issuer, &home));
    holds(&home, &first);
    assert!(kept(&home).is_empty());
    assert_eq!(issuer.posts(), 2);
    issuer.check();
}

#[test]
fn other_tokens_of_the_same_account_end_the_wait() {
    let issuer = Issuer::new();
    let home = issuer.home();
    fetch_with(&issuer, &home, |path| std::fs::remove_file(path).unwrap());
    keeps(&issuer, &home);
    // Not those in another file: the one that is away may come back.
    let elsewhere = home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("auth.json"), codex_text(&issuer.good())).unwrap();
    std::fs::copy(home.codex_home().join("config.toml"), elsewhere.join("config.toml")).unwrap();
    succeeds(&finish(home.command(&["fetch"]).env("CODEX_HOME", &elsewhere)));
    keeps(&issuer, &home);
    let new = issuer.good();
    home.write_auth(codex_text(&new));
    succeeds(&fetch(&issuer, &home));
    holds(&home, &new);
    assert!(kept(&home).is_empty());
}

#[test]
fn one_account_s_tokens_never_get_into_another_one_s_file() {
    for further in [&[][..], &["acc-2"]] {
        let issuer = Issuer::new();
        let home = issuer.home();
        fetch_with(&issuer, &home, |path| std::fs::write(path, "{").unwrap());
        // The records are gone, and the other account's file is older than the answer.
        std::fs::remove_file(beside(&home, ".ledger")).unwrap();
        std::fs::remove_dir_all(home.path().join("home/.local")).unwrap();
        let account = further.first().map(|account| (*account).to_owned());
        let other = Login { account, ..issuer.good() };
        let text = codex_text(&other);
        home.write_auth(&text);
        let times =
            std::fs::FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(9));
        let file = std::fs::File::options().write(true).open(home.auth_path()).unwrap();
        file.set_times(times).unwrap();
        drop(file);
        fetch(&issuer, &home);
        if further.is_empty() {
            // Without an account id in the file the access token names it, the same one.
            assert!(read(&home.auth_path()).contains(&issuer.minted().refresh_token));
        } else {
            assert_eq!(read(&home.auth_path()), text);
            keeps(&issuer, &home);
        }
    }
}
