//! Several accounts in one line. Each has its own login, cache entry, worker and failure.

use crate::support::home::{Home, Login};
use crate::support::server::{Answer, Server};
use crate::support::{USUAL_LINE, usage_of};
use serde_json::Value;
use std::path::PathBuf;

const WORK_LINE: &str = "work 5h 58% left";
const HOME_LINE: &str = "home 5h 50% left";

/// Two accounts on one server. `work` is the home's own login; `home` is beside it.
struct Two {
    server: Server,
    home: Home,
    second: PathBuf,
    words: String,
}

fn two() -> Two {
    let server = Server::start(|request| match request.header("chatgpt-account-id") {
        Some("acc-1") => Answer::json(200, &usage_of(42, 17)),
        Some("acc-2") => {
            let mut usage = usage_of(50, 20);
            usage["account_id"] = "acc-2".into();
            Answer::json(200, &usage)
        }
        _ => Answer::status(401),
    });
    let home = Home::new(&server);
    let second = home.path().join("second");
    std::fs::create_dir(&second).unwrap();
    std::fs::copy(home.codex_home().join("config.toml"), second.join("config.toml")).unwrap();
    std::fs::write(second.join("auth.json"), Login::of("acc-2").json().to_string()).unwrap();
    let words = format!("work={},home={}", home.codex_home().display(), second.display());
    Two { server, home, second, words }
}

impl Two {
    #[track_caller]
    fn prints(&self, arguments: &[&str], expected: &str) {
        let output = self.home.run_with(arguments, &[("CODEXLINE_ACCOUNT", &self.words)]);
        assert_eq!(
            (output.stdout.trim_end(), output.stderr.as_str(), output.code),
            (expected, "", Some(0))
        );
    }
}

#[test]
fn one_line_shows_all_and_each_has_its_own_entry() {
    let two = two();
    two.prints(&["--wait", "20s"], &format!("Codex {WORK_LINE} · {HOME_LINE}"));
    assert_eq!(two.home.entries().len(), 2);
    two.prints(&[], &format!("Codex {WORK_LINE} · {HOME_LINE}"));
    assert_eq!(two.server.total(), 2, "each was asked for once");
    two.prints(&["--format", "{account}:{5h.used}"], "work:42% | home:50%");
    two.prints(&["--short"], "Codex work 5h 58% left · home 5h 50% left");
    // Without accounts everything is as before, from the same entry.
    assert_eq!(two.home.run(&[]).stdout, USUAL_LINE);
    assert_eq!(two.server.total(), 2);
}

#[test]
fn one_can_be_picked_and_others_named() {
    let two = two();
    two.prints(&["--wait", "20s", "--account", "home"], "Codex home 5h 50% left · 7d 80% left");
    let named = format!("third={}", two.second.display());
    two.prints(&["--wait", "20s", "--account", &named], "Codex third 5h 50% left · 7d 80% left");
    let output = two.home.run_with(&["--account", "hone"], &[("CODEXLINE_ACCOUNT", &two.words)]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("did you mean home?"), "{output:?}");
}

#[test]
fn one_account_s_failure_does_not_hide_the_other_s_numbers() {
    let two = two();
    std::fs::remove_file(two.second.join("auth.json")).unwrap();
    two.prints(&["--wait", "20s"], &format!("Codex {WORK_LINE} · home signed out"));
    let output = two.home.run_with(&["fetch"], &[("CODEXLINE_ACCOUNT", &two.words)]);
    assert_eq!((output.stdout.as_str(), output.code), ("", Some(1)));
    assert!(output.stderr.starts_with("codexline: home: not signed in"), "{output:?}");
    two.prints(&["tmux", "--color", "never"], &format!("Codex {WORK_LINE} · home signed out"));
}

#[test]
fn json_is_a_list_then() {
    let two = two();
    let output =
        two.home.run_with(&["json", "--wait", "20s"], &[("CODEXLINE_ACCOUNT", &two.words)]);
    let list: Value = serde_json::from_str(&output.stdout).unwrap();
    let read = |index: usize| {
        (list[index]["account"].clone(), list[index]["windows"][0]["used_percent"].clone())
    };
    assert_eq!((read(0), read(1)), (("work".into(), 42.into()), ("home".into(), 50.into())));
    let object: Value = serde_json::from_str(&two.home.run(&["json"]).stdout).unwrap();
    assert!(object.is_object() && object.get("account").is_none());
}

#[test]
fn a_token_in_the_environment_is_no_account_s() {
    let two = two();
    let token =
        [("CODEX_ACCESS_TOKEN", "made-up-token"), ("CODEXLINE_ACCOUNT", two.words.as_str())];
    let output = two.home.run_with(&["--wait", "20s"], &token);
    assert_eq!(output.stdout.trim_end(), format!("Codex {WORK_LINE} · {HOME_LINE}"));
    assert!(two.server.requests().iter().all(|request| request.bearer() != Some("made-up-token")));
}

#[test]
fn bars_go_by_the_worst() {
    let two = two();
    let output = two.home.run_with(
        &["waybar", "--warn", "45", "--wait", "20s"],
        &[("CODEXLINE_ACCOUNT", &two.words)],
    );
    let block: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(
        (&block["class"][0], &block["percentage"]),
        (&"warning".into(), &50.into()),
        "{block}"
    );
    let tooltip = block["tooltip"].as_str().unwrap();
    assert!(tooltip.contains("<b>work</b>\n") && tooltip.contains("<b>home</b>\n"), "{tooltip}");
}
