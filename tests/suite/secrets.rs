//! Made-up tokens that can be recognised, and every place where one could leak: stdout, stderr, the
//! cache directory, the command line of the worker. It is tried in every way of failing, with
//! `--verbose`, and with a server that sends back all that it gets.

use std::path::Path;

use base64::Engine as _;
use serde_json::json;

use crate::support::home::{ACCOUNT, Home, Login, Output, finish, jwt_signed};
use crate::support::server::{Answer, Gate, Request, Server, dead_port};
use crate::support::{USAGE, eventually, usage};

/// What every secret here contains, in its own text.
const MARK: &str = "SECRETMARK";

fn login() -> Login {
    let claims = json!({
        "sub": MARK,
        "email": format!("{MARK}@example.com"),
        "https://api.openai.com/auth": {"chatgpt_account_id": ACCOUNT, "organizations": [MARK]},
    });
    Login {
        access_token: jwt_signed(&claims, &format!("access{MARK}")),
        refresh_token: format!("rt_{MARK}"),
        id_token: jwt_signed(&claims, &format!("id{MARK}")),
        ..Login::of(ACCOUNT)
    }
}

/// What must not be found anywhere: the mark itself, and the parts of the tokens that hold it
/// encoded.
fn needles() -> Vec<String> {
    let login = login();
    let mut needles = vec![MARK.to_owned()];
    for token in [&login.access_token, &login.id_token] {
        needles.extend(token.split('.').map(str::to_owned));
        // The message of a decoder may quote only a part.
        needles.push(token.split('.').nth(1).unwrap()[10..40].to_owned());
    }
    // The header of a token is the same everywhere, so it is no secret.
    needles.retain(|needle| *needle != login.access_token.split('.').next().unwrap());
    needles.push(base64::engine::general_purpose::STANDARD.encode(format!("rt_{MARK}")));
    needles
}

#[track_caller]
fn check_text(place: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for needle in needles() {
        assert!(!text.contains(&needle), "{place} holds {needle}: {text}");
    }
}

#[track_caller]
fn check_output(place: &str, output: &Output) {
    check_text(place, output.stdout.as_bytes());
    check_text(place, output.stderr.as_bytes());
    assert!(!output.stderr.contains("panicked"), "{place}: {output:?}");
}

/// Every file below `directory`, and its name.
#[track_caller]
fn check_directory(place: &str, directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        check_text(place, path.as_os_str().as_encoded_bytes());
        if path.is_dir() {
            check_directory(place, &path);
        } else {
            check_text(place, &std::fs::read(&path).unwrap());
        }
    }
}

/// Fetches and prints in every form and with `--verbose`, and looks for secrets in all that comes
/// of it. The caller arranges the situation (an outage, say), and gets the output of the fetch to
/// see that it went as meant.
#[track_caller]
fn check(place: &str, home: &Home) -> Output {
    let fetch = home.run(&["fetch", "--verbose"]);
    check_output(place, &fetch);
    home.age(std::time::Duration::from_secs(3600));
    for host in ["plain", "starship", "tmux", "waybar", "i3blocks", "json"] {
        check_output(
            place,
            &home.run(&[
                host,
                "--verbose",
                "--wait",
                "20s",
                "--format",
                "{plan} {windows} {credits}",
            ]),
        );
    }
    home.settle();
    check_directory(place, &home.path().join("cache"));
    check_directory(place, &home.path().join("home"));
    check_directory(place, &home.path().join("config"));
    check_directory(place, &home.path().join("runtime"));
    fetch
}

/// A server that sends back everything that it gets.
fn echo(request: &Request) -> String {
    format!("{request:?}")
}

#[test]
fn no_answer_brings_a_token_to_light() {
    type Script = fn(&Request) -> Answer;
    let scripts: &[(&str, Script)] = &[
        ("a good answer", |_| Answer::json(200, &usage())),
        ("401", |request| Answer::json(401, &json!({"error": {"message": echo(request)}}))),
        ("403", |request| Answer::json(403, &json!({"error": echo(request)}))),
        ("403 page", |request| Answer::html(403, &echo(request))),
        ("429", |request| {
            Answer::bytes(429, "text/plain", echo(request)).header("Retry-After", &echo(request))
        }),
        ("500", |request| Answer::html(500, &echo(request))),
        ("portal", |request| Answer::html(200, &echo(request))),
        ("404", |request| Answer::json(404, &json!(echo(request)))),
        ("redirect", |request| {
            Answer::redirect(
                302,
                &format!("http://127.0.0.1:1/?token={}", request.bearer().unwrap_or_default()),
            )
        }),
        ("not about usage", |request| Answer::json(200, &json!({"error": echo(request)}))),
        ("half", |request| {
            Answer::bytes(
                200,
                "application/json",
                format!("{{\"plan_type\": \"{}", request.bearer().unwrap()),
            )
        }),
        ("no HTTP", |request| Answer::raw(echo(request))),
        ("status text", |request| {
            Answer::raw(format!(
                "HTTP/1.1 {} {}\r\n\r\n",
                599,
                request.bearer().unwrap_or_default()
            ))
        }),
        ("bad header", |request| {
            Answer::raw(format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", echo(request)))
        }),
        ("another account", |request| {
            let bearer = request.bearer().unwrap_or_default();
            Answer::json(
                200,
                &json!({"account_id": bearer, "user_id": "x", "rate_limit": usage()["rate_limit"]}),
            )
        }),
        ("hang up", |_| Answer::hang_up()),
    ];
    for (place, script) in scripts {
        let server = Server::start(script);
        let home = Home::at(&server, &login());
        check(place, &home);
        assert!(server.count(USAGE) > 0, "{place}");
        let bearer = server.last(USAGE).bearer().map(str::to_owned);
        assert_eq!(bearer, Some(login().access_token), "the token was there to be said back");
    }
}

#[test]
fn no_file_of_the_login_is_quoted() {
    let server = Server::usage(usage());
    let whole = login().json().to_string();
    let array = json!({"tokens": {"access_token": [login().access_token]}}).to_string();
    let swapped = json!({"tokens": login().access_token, "auth_mode": "chatgpt"}).to_string();
    let split = json!({"tokens": {"access_token": format!("{}\n{MARK}", login().access_token)}})
        .to_string();
    let account = json!({"tokens": {"access_token": "a", "account_id": format!("{MARK}\u{7f}\n")}})
        .to_string();
    let key = Login::api_key(&format!("sk-{MARK}")).to_string();
    let number = format!("{{\"tokens\": {MARK}}}");
    for (place, text) in [
        ("half", &whole[..whole.len() / 2]),
        ("cut in a token", &whole[..whole.find("access_token").unwrap() + 60]),
        ("an array", &array),
        ("a string", &swapped),
        ("two lines", &split),
        ("a bad account", &account),
        ("an API key", &key),
        ("no JSON", &number),
        ("a key twice", &whole.replace("refresh_token", "access_token")),
    ] {
        let home = Home::at(&server, &login());
        home.write_auth(text);
        let output = check(place, &home);
        assert_eq!(output.code, Some(1), "{place}: {output:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn no_config_is_quoted() {
    let server = Server::usage(usage());
    for (place, config) in [
        ("a broken line", format!("experimental_bearer_token = {MARK}\n")),
        ("an open string", format!("a = '{MARK}\n")),
        ("a wrong type", format!("chatgpt_base_url = [\"{MARK}\"]\n")),
        (
            "a password in the URL",
            format!(
                "chatgpt_base_url = 'https://user:{MARK}@127.0.0.1:{}/backend-api'",
                dead_port()
            ),
        ),
        ("a query", format!("chatgpt_base_url = 'http://name.invalid/backend-api?key={MARK}'")),
        ("a fragment", format!("chatgpt_base_url = 'http://name.invalid/backend-api#{MARK}'")),
        ("no URL", format!("chatgpt_base_url = 'http://user:{MARK}@[::'")),
    ] {
        let home = Home::at(&server, &login());
        home.write_config(&config);
        let output = check(place, &home);
        assert_eq!(output.code, Some(1), "{place}: {output:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn no_proxy_s_password_is_shown() {
    let server = Server::usage(usage());
    for proxy in [
        format!("http://user:{MARK}@127.0.0.1:{}", dead_port()),
        format!("socks5://user:{MARK}@127.0.0.1:{}", dead_port()),
        format!("nonsense://user:{MARK}@::"),
    ] {
        let mut home = Home::at(&server, &login());
        home.write_config("chatgpt_base_url = 'https://127.0.0.1:1/backend-api'");
        home.set("HTTPS_PROXY", &proxy);
        let output = check(&proxy, &home);
        assert_eq!(output.code, Some(1), "{output:?}");
    }
}

#[test]
fn tokens_from_the_environment_are_not_shown_either() {
    for (variable, status) in
        [("CODEX_ACCESS_TOKEN", 200), ("CODEX_ACCESS_TOKEN", 401), ("CODEX_API_KEY", 200)]
    {
        let server = Server::start(move |request| {
            if status == 200 {
                Answer::json(200, &usage())
            } else {
                Answer::json(status, &json!(echo(request)))
            }
        });
        let mut home = Home::at(&server, &login());
        home.set(variable, login().access_token);
        check(variable, &home);
        // That token is not ours to send; a key does not beat auth.json.
        assert_eq!(server.total() > 0, variable == "CODEX_API_KEY");
    }
    // A value that no header can carry.
    let server = Server::usage(usage());
    let mut home = Home::at(&server, &login());
    home.set("CODEX_ACCESS_TOKEN", format!("{MARK}\r\nX: {MARK}"));
    let output = check("a token of two lines", &home);
    assert_eq!((output.code, server.total()), (Some(1), 0), "{output:?}");
}

#[test]
fn the_worker_s_command_line_holds_none() {
    let server = Server::usage(usage());
    let gate = Gate::closed();
    server.push(USAGE, Answer::json(200, &usage()).behind(&gate));
    let home = Home::at(&server, &login());
    assert_eq!(home.run(&["starship"]).code, Some(0));
    server.wait_for(USAGE, 1);
    let workers = home.processes();
    assert_eq!(workers.len(), 1);
    let told =
        |name: &str| std::fs::read(format!("/proc/{}/{name}", workers[0])).unwrap_or_default();
    check_text("its command line", &told("cmdline"));
    check_text("its environment", &told("environ"));
    gate.open();
    home.settle();
}

#[test]
fn a_misused_command_line_shows_no_more_than_was_typed() {
    let server = Server::usage(usage());
    let home = Home::at(&server, &login());
    for arguments in [&["--format", "{x}"][..], &["--nonsense"], &["nonsense"]] {
        check_output("usage", &home.run(arguments));
    }
}

#[test]
fn a_fetch_writes_nowhere_but_into_the_cache() {
    // The trace has every file that a whole fetch opens for writing, and everything that it writes.
    needs!("strace");
    let server = Server::usage(usage());
    let home = Home::at(&server, &login());
    let log = home.path().join("trace");
    let program = env!("CARGO_BIN_EXE_codexline");
    let tracer = [
        "strace",
        "-f",
        "-y",
        "-s",
        "100000",
        "-e",
        "trace=write,writev,pwrite64,open,openat,creat",
        "-o",
    ];
    let output =
        finish(&mut home.wrapped(
            &[&tracer[..], &[log.to_str().unwrap(), program, "fetch", "--verbose"]].concat(),
        ));
    assert_eq!(output.code, Some(0), "{output:?}");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("codexline/"), "{log}");
    for line in log.lines().filter(|line| line.contains("write")) {
        // The token belongs in the request to the server's socket.
        if !line.contains("socket:") && !line.contains("TCP:") {
            check_text("a write", line.as_bytes());
        }
    }
    let cache = home.cache_directory().display().to_string();
    for line in log.lines().filter(|line| {
        line.contains("O_CREAT") || line.contains("O_WRONLY") || line.contains("O_RDWR")
    }) {
        assert!(
            line.contains(&cache) || line.contains("/dev/null"),
            "written outside the cache: {line}"
        );
    }
    eventually("the end", || home.processes().is_empty());
}

#[test]
fn the_commands_of_hooks_are_in_no_worker_s_arguments() {
    let server = Server::usage(usage());
    let gate = Gate::closed();
    server.push(USAGE, Answer::json(200, &usage()).behind(&gate));
    let home = Home::new(&server);
    let seen = home.path().join("seen");
    let hook = format!("echo made-up-secret > '{}'", seen.display());
    let change = "true made-up-secret";
    home.run(&["plain", "--on-fetch", &hook, "--on-change", change]);
    server.wait_for(USAGE, 1);
    let workers = home.processes();
    assert_eq!(workers.len(), 1);
    let line = std::fs::read(format!("/proc/{}/cmdline", workers[0])).unwrap();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    assert!(line.contains("--worker") && !line.contains("made-up-secret"), "{line}");
    gate.open();
    home.settle();
    assert_eq!(std::fs::read_to_string(seen).unwrap(), "made-up-secret\n");
    for entry in std::fs::read_dir(home.cache_directory()).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!text.contains("made-up-secret"), "{}", entry.path().display());
    }
}
