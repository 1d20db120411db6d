//! Codex goes first: behind a prompt the first refusal only marks the cache entry, and the login is
//! refreshed if the same one is still refused later. By hand it is refreshed at once.

use std::time::Duration;

use super::{Issuer, codex_text, fails, fetch, holds, no_rescue, run, succeeds};
use crate::support::USUAL_LINE;
use crate::support::home::Home;

const PROMPT: &[&str] = &["plain", "--wait", "20s"];
/// Longer than any mark takes to come of age, and shorter than it lasts.
const LATER: Duration = Duration::from_secs(90);

/// A login that was refused behind a prompt: the entry is marked.
fn marked() -> (Issuer, Home) {
    let issuer = Issuer::new();
    let home = issuer.home();
    run(&issuer, &home, PROMPT);
    home.settle();
    let failure = home.entry().unwrap()["failure"].clone();
    assert_eq!(failure["code"], "refresh_due");
    let wait = failure["retry_at"].as_i64().unwrap() - failure["at"].as_i64().unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
    assert_eq!((issuer.gets(), issuer.posts()), (1, 0));
    (issuer, home)
}

#[test]
fn behind_a_prompt_the_first_refusal_only_marks_the_entry() {
    let (issuer, home) = marked();
    // Until the mark has come of age nothing is asked.
    run(&issuer, &home, PROMPT);
    home.settle();
    assert_eq!((issuer.gets(), issuer.posts()), (1, 0));
    home.age(LATER);
    assert_eq!(run(&issuer, &home, PROMPT).stdout, USUAL_LINE);
    holds(&home, &issuer.minted());
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn what_codex_has_refreshed_meanwhile_is_not_refreshed_again() {
    let (issuer, home) = marked();
    let codexs = issuer.good();
    home.write_auth(codex_text(&codexs));
    assert_eq!(run(&issuer, &home, PROMPT).stdout, USUAL_LINE);
    holds(&home, &codexs);
    assert_eq!(issuer.posts(), 0);
}

#[test]
fn another_login_that_is_refused_has_a_mark_of_its_own() {
    let (issuer, home) = marked();
    home.age(LATER);
    home.write_auth(codex_text(&issuer.expired()));
    run(&issuer, &home, PROMPT);
    home.settle();
    assert_eq!(issuer.posts(), 0);
    assert_eq!(home.entry().unwrap()["failure"]["code"], "refresh_due");
    home.age(LATER);
    run(&issuer, &home, PROMPT);
    home.settle();
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn a_laptop_that_slept_lets_codex_go_first_again() {
    let (issuer, home) = marked();
    home.age(Duration::from_secs(8 * 3600));
    run(&issuer, &home, PROMPT);
    home.settle();
    assert_eq!(issuer.posts(), 0);
    home.age(LATER);
    run(&issuer, &home, PROMPT);
    home.settle();
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn by_hand_it_is_refreshed_at_once() {
    let (issuer, home) = marked();
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
    let (issuer, home) = marked();
    succeeds(&run(&issuer, &home, &["auth", "refresh"]));
    holds(&home, &issuer.minted());
    assert_eq!(issuer.posts(), 1);
}

#[test]
fn a_mark_is_no_reason_to_hide_what_stands_in_the_way() {
    let (issuer, home) = marked();
    home.age(LATER);
    crate::support::home::set_mode(&home.auth_path(), 0o400);
    // Its change of mode is another state of the login.
    run(&issuer, &home, PROMPT);
    home.settle();
    home.age(LATER);
    fails(&home, &fetch(&issuer, &home), "auth_read_only");
    no_rescue(&home);
    assert_eq!(issuer.posts(), 0);
}
