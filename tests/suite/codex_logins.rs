//! Logins and configuration as the real Codex takes them: access tokens whose account it asks of a
//! server of the test's, and the files of `/etc/codex`.

#![cfg(target_os = "linux")]

use crate::support::home::{ACCOUNT, Home, Output, finish};
use crate::support::server::{Answer, Request, Server};
use crate::support::{USAGE, USUAL_LINE, usage};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const TOKEN: &str = "at-made-up";
/// Whose the token is.
const WHOAMI: &str = "GET /api/accounts/v1/user-auth-credential/whoami";
/// What a company's administrator has set. Of business plans Codex asks nothing before it has this.
const MANAGED: &str = "GET /backend-api/wham/config/bundle";

/// A service that knows the token unless `refuses` is set, and a home that is pointed at it.
fn stage(program: &Path) -> (Server, Home, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(false));
    let server = Server::start({
        let refuses = Arc::clone(&refuses);
        move |request: &Request| {
            let is_known = request.header("authorization") == Some(&format!("Bearer {TOKEN}"));
            if refuses.load(Ordering::Relaxed) || !is_known {
                return Answer::json(401, &json!({"error": {"code": "token_expired"}}));
            }
            match request.line().as_str() {
                WHOAMI => Answer::json(
                    200,
                    &json!({
                        "email": "somebody@example.com", "chatgpt_user_id": "user-made-up",
                        "chatgpt_account_id": ACCOUNT, "chatgpt_plan_type": "business",
                        "chatgpt_account_is_fedramp": false,
                    }),
                ),
                MANAGED => Answer::json(200, &json!({})),
                USAGE => Answer::json(200, &usage()),
                _ => Answer::json(404, &json!({})),
            }
        }
    });
    let mut home = Home::new(&server);
    home.set("CODEX_AUTHAPI_BASE_URL", server.url("/api/accounts"));
    home.set("CODEXLINE_CODEX_BIN", program);
    (server, home, refuses)
}

fn error(home: &Home) -> Value {
    home.run(&["json", "--offline"]).json()["error"].take()
}

/// That the numbers are those that Codex is told, and that nobody but Codex has asked for them.
fn answers(server: &Server, home: &Home) {
    home.fill();
    home.settle();
    assert_eq!(home.run(&["--offline"]).stdout, USUAL_LINE);
    assert_eq!(home.run(&["json", "--offline"]).json()["source"], "codex");
    let asked = server.requests();
    assert!(asked.iter().any(|request| request.line() == WHOAMI), "{asked:?}");
    let asked: Vec<&Request> = asked.iter().filter(|request| request.line() == USAGE).collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].header("chatgpt-account-id"), Some(ACCOUNT));
    let ours = concat!("codexline/", env!("CARGO_PKG_VERSION"));
    assert_ne!(asked[0].header("user-agent"), Some(ours));
}

#[test]
fn a_token_in_the_environment_beats_the_file_and_is_asked_of_codex() {
    let program = needs!("codex");
    let (server, mut home, refuses) = stage(&program);
    let before = home.read_auth();
    home.set("CODEX_ACCESS_TOKEN", TOKEN);
    answers(&server, &home);
    refuses.store(true, Ordering::Relaxed);
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    let told = error(&home);
    assert_eq!(told["code"], "codex_signed_out", "{told}");
    assert!(told["message"].as_str().unwrap().contains("CODEX_ACCESS_TOKEN"), "{told}");
    // A token of ChatGPT's is none that Codex takes there.
    refuses.store(false, Ordering::Relaxed);
    let ours = before["tokens"]["access_token"].as_str().unwrap();
    home.set("CODEX_ACCESS_TOKEN", ours);
    let usages = server.count(USAGE);
    for source in ["auto", "codex"] {
        let output = home.run(&["fetch", "--source", source]);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.stderr.contains("CODEX_ACCESS_TOKEN"), "{output:?}");
    }
    // It may be somebody else's, so the numbers of the other token are not shown for it.
    assert_eq!(home.run(&["--offline"]).stdout, "Codex: sign in\n");
    assert_eq!((server.count(USAGE), home.read_auth()), (usages, before));
}

#[test]
fn a_personal_access_token_in_the_file_is_asked_of_codex() {
    let program = needs!("codex");
    let (server, home, refuses) = stage(&program);
    let login = json!({"auth_mode": "personalAccessToken", "personal_access_token": TOKEN});
    home.write_auth(login.to_string());
    answers(&server, &home);
    refuses.store(true, Ordering::Relaxed);
    assert_eq!(home.run(&["fetch"]).code, Some(1));
    let told = error(&home);
    assert_eq!(told["code"], "codex_signed_out", "{told}");
    assert!(told["message"].as_str().unwrap().contains("auth.json"), "{told}");
    assert_eq!(home.read_auth(), login, "nothing is refreshed or written");
}

/// Runs `codexline` where `/etc` has nothing but these files of Codex's; nobody else sees that.
fn run_in_system(home: &Home, files: &[(&str, String)], arguments: &str) -> Output {
    let etc = home.path().join("etc");
    std::fs::remove_dir_all(&etc).ok();
    std::fs::create_dir_all(etc.join("codex")).unwrap();
    for (name, text) in files {
        std::fs::write(etc.join("codex").join(name), text).unwrap();
    }
    let program = env!("CARGO_BIN_EXE_codexline");
    let script = format!("mount --bind '{}' /etc && exec {program} {arguments}", etc.display());
    finish(&mut home.wrapped(&["unshare", "-rm", "sh", "-c", &script]))
}

#[test]
fn the_system_s_files_name_the_gateway_for_codexline_and_for_codex() {
    needs!("mount");
    let program = needs!("codex");
    let users = Server::usage(usage());
    let gateway = Server::usage(usage());
    let mut home = Home::new(&users);
    home.set("CODEXLINE_CODEX_BIN", program);
    let names = |server: &Server| format!("chatgpt_base_url = \"{}\"\n", server.base());
    // Which of both was asked for the limits, by codexline and by Codex.
    let asked = |home: &Home, files: &[(&str, String)]| {
        ["api", "codex"].map(|source| {
            let before = (users.count(USAGE), gateway.count(USAGE));
            let output = run_in_system(home, files, &format!("fetch --source {source}"));
            assert_eq!(output.code, Some(0), "{output:?}");
            home.settle();
            match (users.count(USAGE) - before.0, gateway.count(USAGE) - before.1) {
                (1, 0) => "the user's",
                (0, 1) => "the gateway",
                other => panic!("{source}: {other:?}"),
            }
        })
    };
    let managed = [("managed_config.toml", names(&gateway))];
    assert_eq!(asked(&home, &managed), ["the gateway"; 2]);
    let system = [("config.toml", names(&gateway))];
    assert_eq!(asked(&home, &system), ["the user's"; 2]);
    home.write_config("");
    assert_eq!(asked(&home, &system), ["the gateway"; 2]);
    // Both take the store of the login from there too.
    let keyring = "cli_auth_credentials_store = \"keyring\"\n".to_string();
    let stores = [managed[0].clone(), ("config.toml", keyring.clone())];
    let both = [("managed_config.toml", names(&gateway) + &keyring)];
    let total = (users.total(), gateway.count(USAGE));
    for files in [&stores[..], &both] {
        let output = run_in_system(&home, files, "fetch --source api");
        assert!(output.stderr.contains("the login is not in a file: /etc/codex/"), "{output:?}");
        let output = run_in_system(&home, files, "fetch --source codex");
        assert!(output.stderr.contains("not signed in"), "{output:?}");
    }
    assert_eq!((users.total(), gateway.count(USAGE)), total);
}
