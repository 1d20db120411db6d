//! `codexline auth` and `auth refresh`, and the way to the token endpoint that the issuer names.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use serde_json::{Value, json};

use super::{
    Issuer, beside, codex_text, fails, fetch, holds, ledger, read, run, succeeds, tokens_of,
};
use crate::support::TOKEN;
use crate::support::home::{ACCOUNT, Home, Login, Output, jwt};
use crate::support::now;
use crate::support::server::{Answer, Authority, Request, Server};

#[track_caller]
fn refuses(output: &Output, named: &str) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    assert!(output.stderr.contains(named), "{named}: {output:?}");
}

/// The text of a row of the page.
#[track_caller]
fn row(page: &Output, name: &str) -> String {
    let found = page
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with(' ')));
    found.unwrap_or_else(|| panic!("no {name}: {page:?}")).trim().to_owned()
}

// --- the page ------------------------------------------------------------------------------------

#[test]
fn the_page_tells_what_the_login_looks_like_and_no_secret() {
    let issuer = Issuer::new();
    let home = issuer.home();
    let page = run(&issuer, &home, &["auth"]);
    succeeds(&page);
    assert_eq!(row(&page, "file"), home.auth_path().display().to_string());
    assert_eq!(row(&page, "store"), "file");
    assert_eq!(row(&page, "mode"), "chatgpt");
    assert_eq!(row(&page, "permissions"), "0600, yours");
    assert_eq!(row(&page, "last refresh"), "2026-11-22T14:53:05Z");
    assert_eq!(row(&page, "account"), ACCOUNT);
    assert_eq!(row(&page, "plan"), "plus");
    assert_eq!(row(&page, "issuer"), "https://auth.openai.com");
    assert_eq!(row(&page, "scopes"), "openid profile email offline_access");
    assert!(row(&page, "access token").starts_with("ends in "), "{page:?}");
    assert_eq!(row(&page, "renewal"), "possible");
    assert_eq!(row(&page, "refresh token"), "not sent by codexline");
    assert_eq!(row(&page, "pending rescue"), "none");
    assert_eq!(issuer.server.connections(), 0);
    let names = std::fs::read_dir(home.codex_home()).unwrap().count();
    assert_eq!(names, 2, "nothing is made in the home");
}

#[test]
fn the_page_tells_what_has_become_of_the_refresh_token() {
    for (answer, expected) in [
        (Answer::json(400, &json!({"error": "invalid_grant"})), "refused (invalid_grant) "),
        (Answer::hang_up(), "unknown "),
    ] {
        let issuer = Issuer::new();
        let home = issuer.home();
        issuer.server.push(TOKEN, answer);
        fetch(&issuer, &home);
        let page = run(&issuer, &home, &["auth"]);
        assert!(row(&page, "refresh token").starts_with(expected), "{page:?}");
        let told = row(&page, "refresh token");
        assert!(told.ends_with(" ago") || told.ends_with(" just now"), "{page:?}");
    }
    // New tokens that wait.
    let issuer = Issuer::new();
    let home = issuer.home();
    let path = home.auth_path();
    let whole = read(&path);
    issuer.before_answer(move || std::fs::write(path, "").unwrap());
    fails(&home, &fetch(&issuer, &home), "commit_pending");
    home.write_auth(whole);
    let page = run(&issuer, &home, &["auth"]);
    assert!(row(&page, "refresh token").starts_with("sent "), "{page:?}");
    assert_eq!(row(&page, "pending rescue"), beside(&home, ".new").display().to_string());
    assert_eq!(issuer.posts(), 1, "looking at it finishes nothing");
}

#[test]
fn the_page_of_unusual_logins() {
    let issuer = Issuer::new();
    let claims = json!({"exp": now() - 7200, "scp": ["openid"]});
    let home = issuer.home_of(&Login {
        access_token: jwt(&claims),
        mode: None,
        account: None,
        ..issuer.expired()
    });
    let page = run(&issuer, &home, &["auth"]);
    assert_eq!(row(&page, "scopes"), "openid (no offline_access)");
    assert!(row(&page, "access token").starts_with("ended 2h"), "{page:?}");
    assert_eq!(row(&page, "mode"), "chatgpt (not named)");
    assert_eq!(row(&page, "account"), "not named");
    home.write_auth(codex_text(&Login { refresh_token: String::new(), ..issuer.expired() }));
    assert!(row(&run(&issuer, &home, &["auth"]), "renewal").starts_with("not by us"));
    home.write_auth(codex_text(&Login {
        mode: Some("chatgptAuthTokens".into()),
        ..issuer.expired()
    }));
    assert!(row(&run(&issuer, &home, &["auth"]), "renewal").starts_with("not by us"));
    home.write_auth(Login::api_key("sk-made-up-key").to_string());
    let output = run(&issuer, &home, &["auth"]);
    refuses(&output, "API key");
    assert!(!output.stderr.contains("sk-made-up-key"));
    std::fs::remove_file(home.auth_path()).unwrap();
    refuses(&run(&issuer, &home, &["auth"]), "not signed in");
    assert_eq!(issuer.server.connections(), 0);
}

// --- by hand -------------------------------------------------------------------------------------

#[test]
fn a_login_is_renewed_by_hand() {
    let issuer = Issuer::new();
    let home = issuer.home_of(&issuer.good());
    for posts in 1..=2 {
        let output = run(&issuer, &home, &["auth", "refresh", "--verbose"]);
        succeeds(&output);
        let beginning =
            format!("{} has a new access token; it ends 20", home.auth_path().display());
        assert!(output.stdout.starts_with(&beginning), "{output:?}");
        assert_eq!((issuer.gets(), issuer.posts()), (0, posts), "asked for, so without a refusal");
        holds(&home, &issuer.minted());
    }
    issuer.check();
    issuer.server.push(TOKEN, Answer::json(401, &Value::Null));
    for _ in 0..2 {
        refuses(&run(&issuer, &home, &["auth", "refresh"]), "run codex login");
    }
    assert_eq!(issuer.posts(), 3);
    assert_eq!(ledger(&home), ["committed", "committed", "refused"]);
}

#[test]
fn print_only_shows_the_request_and_has_no_network() {
    let issuer = Issuer::new();
    let mut home = issuer.home();
    let before = std::fs::read_dir(home.codex_home()).unwrap().count();
    let shown = |url: &str| {
        format!(
            "method         POST\nurl            {url}\nheader         Accept: application/json\n\
             header         Content-Type: application/x-www-form-urlencoded\n\
             header         User-Agent: codexline/{}\n\
             field          grant_type=refresh_token\nfield          refresh_token=***\n\
             field          client_id=app_EMoamEEZ73f0CkXaXp7hrann\n",
            env!("CARGO_PKG_VERSION")
        )
    };
    let output = run(&issuer, &home, &["auth", "refresh", "--print-only"]);
    assert_eq!(output.stdout, shown(&issuer.server.url("/oauth/token")));
    home.set(
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE",
        "https://user:pass-made-up@127.0.0.1:1/token?key=made-up",
    );
    let output = run(&issuer, &home, &["auth", "refresh", "--print-only", "--verbose"]);
    assert_eq!(output.stdout, shown("https://127.0.0.1:1/token"));
    home.unset("CODEX_REFRESH_TOKEN_URL_OVERRIDE");
    for further in [&[][..], &["--discover"]] {
        let output = run(&issuer, &home, &[&["auth", "refresh", "--print-only"], further].concat());
        assert_eq!(output.stdout, shown("https://auth.openai.com/oauth/token"));
    }
    assert_eq!(issuer.server.connections(), 0);
    assert_eq!(
        std::fs::read_dir(home.codex_home()).unwrap().count(),
        before,
        "nothing is made in the home"
    );
    if has!("strace") {
        let log = home.path().join("trace");
        let line =
            ["strace", "-f", "-e", "trace=network", "-o", log.to_str().unwrap(), super::PROGRAM];
        let command_line = [&line[..], &["auth", "refresh", "--print-only"]].concat();
        succeeds(&super::run_command(&issuer, &home, &mut home.wrapped(&command_line)));
        assert!(!read(&log).contains("AF_INET"), "{}", read(&log));
    }
}

#[test]
fn what_is_not_ours_is_not_renewed_by_hand_either() {
    let issuer = Issuer::new();
    let mut home = issuer.home();
    let check = |home: &Home, named: &str| {
        for further in [&[][..], &["--print-only"], &["--discover"]] {
            refuses(&run(&issuer, home, &[&["auth", "refresh"], further].concat()), named);
        }
    };
    home.write_auth(codex_text(&Login { refresh_token: String::new(), ..issuer.expired() }));
    check(&home, "only codex can refresh the login");
    home.write_auth(codex_text(&Login {
        mode: Some("chatgptAuthTokens".into()),
        ..issuer.expired()
    }));
    check(&home, "only codex can refresh the login");
    home.write_auth(Login::api_key("sk-made-up").to_string());
    check(&home, "API key");
    home.write_auth(codex_text(&issuer.expired()));
    for store in ["auto", "keyring"] {
        home.write_config(&format!("cli_auth_credentials_store = \"{store}\"\n"));
        check(&home, store);
    }
    home.write_config("");
    home.set("CODEX_ACCESS_TOKEN", "made-up");
    check(&home, "CODEX_ACCESS_TOKEN");
    assert_eq!(issuer.server.connections(), 0);
}

// --- discovery -----------------------------------------------------------------------------------

const DOCUMENT: &str = "GET /.well-known/openid-configuration";

/// auth.openai.com and all its neighbours: a server with a certificate of a made-up authority,
/// behind a proxy that leads every name to it.
struct OpenAi {
    server: Server,
    authority: Authority,
    proxy: u16,
}

impl OpenAi {
    fn new(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let authority = Authority::new();
        let server = Server::tls_as(&authority, &["auth.openai.com", "auth0.openai.com"], script);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (proxy, port) = (listener.local_addr().unwrap().port(), server.port());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || lead(client, port));
            }
        });
        Self { server, authority, proxy }
    }

    /// Every token request of `host` is 404, as is every document, but for what `answers`.
    fn with(answers: Vec<(&'static str, &'static str, Answer)>) -> Self {
        Self::new(move |request| {
            let host = request.header("host").unwrap_or_default();
            let found =
                answers.iter().find(|(name, line, _)| host == *name && request.line() == *line);
            found.map_or(Answer::status(404), |(_, _, answer)| answer.clone())
        })
    }

    fn home(&self, issuer: &Issuer, login: &Login) -> Home {
        let mut home = issuer.home_of(login);
        let certificate = home.path().join("ca.pem");
        self.authority.write(&certificate);
        home.unset("CODEX_REFRESH_TOKEN_URL_OVERRIDE");
        home.set("CODEX_CA_CERTIFICATE", certificate);
        home.set("HTTPS_PROXY", format!("http://127.0.0.1:{}", self.proxy));
        home
    }

    fn posts(&self) -> Vec<(String, String)> {
        let requests = self.server.requests();
        let posts = requests.iter().filter(|request| request.method == "POST");
        posts
            .map(|request| {
                (request.header("host").unwrap_or_default().to_owned(), request.path.clone())
            })
            .collect()
    }
}

/// One connection through the proxy.
fn lead(mut client: TcpStream, port: u16) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"CONNECT "), "the proxy must not read the token");
    if head.starts_with(b"CONNECT unreachable.") {
        return None;
    }
    let mut origin = TcpStream::connect(("127.0.0.1", port)).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut to) = (origin.try_clone().ok()?, client.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut client, &mut origin);
    let _ = origin.shutdown(Shutdown::Both);
    Some(())
}

fn names(endpoint: &str) -> Answer {
    Answer::json(200, &json!({"issuer": "https://auth.openai.com", "token_endpoint": endpoint}))
}

const BUILT_IN: (&str, &str) = ("auth.openai.com", "/oauth/token");

fn owned(pair: (&str, &str)) -> (String, String) {
    (pair.0.to_owned(), pair.1.to_owned())
}

#[test]
fn the_built_in_endpoint_is_codex_s() {
    let issuer = Issuer::new();
    let new = issuer.good();
    let openai =
        OpenAi::with(vec![("auth.openai.com", TOKEN, Answer::json(200, &tokens_of(&new)))]);
    let home = openai.home(&issuer, &issuer.expired());
    succeeds(&fetch(&issuer, &home));
    holds(&home, &new);
    assert_eq!(openai.posts(), [owned(BUILT_IN)]);
    assert_eq!(openai.server.count(DOCUMENT), 0);
}

#[test]
fn where_it_is_gone_the_issuer_names_the_endpoint() {
    for status in [404, 410] {
        let issuer = Issuer::new();
        let new = issuer.good();
        let openai = OpenAi::with(vec![
            ("auth.openai.com", TOKEN, Answer::status(status)),
            ("auth.openai.com", DOCUMENT, names("https://auth0.openai.com/oauth/token")),
            ("auth0.openai.com", TOKEN, Answer::json(200, &tokens_of(&new))),
        ]);
        let old = issuer.expired();
        let home = openai.home(&issuer, &old);
        succeeds(&fetch(&issuer, &home));
        holds(&home, &new);
        assert_eq!(openai.posts(), [owned(BUILT_IN), owned(("auth0.openai.com", "/oauth/token"))]);
        assert_eq!(openai.server.last(TOKEN).form("refresh_token"), Some(old.refresh_token));
        let document = openai.server.last(DOCUMENT);
        assert_eq!(
            (document.bearer(), document.body.len()),
            (None, 0),
            "nobody has to know who asks"
        );
        assert_eq!(ledger(&home), ["committed"]);
    }
}

#[test]
fn a_second_endpoint_that_cannot_be_reached_does_not_free_the_token() {
    // It was sent to the first one, whatever that one said.
    let issuer = Issuer::new();
    let openai = OpenAi::with(vec![(
        "auth.openai.com",
        DOCUMENT,
        names("https://unreachable.openai.com/oauth/token"),
    )]);
    let home = openai.home(&issuer, &issuer.expired());
    for _ in 0..2 {
        fails(&home, &fetch(&issuer, &home), "refresh_unknown");
    }
    assert_eq!(openai.posts(), [owned(BUILT_IN)]);
    assert_eq!((openai.server.count(DOCUMENT), ledger(&home)), (1, vec!["unknown".to_owned()]));
}

#[test]
fn an_endpoint_that_may_not_get_a_token_gets_none() {
    let issuer = Issuer::new();
    for document in [
        names("https://auth.openai.com.example/oauth/token"),
        names("https://evil.example/oauth/token"),
        names("http://auth0.openai.com/oauth/token"),
        names("https://auth0.openai.com@evil.example/oauth/token"),
        names("https://evil.example/?https://auth0.openai.com/"),
        names(""),
        Answer::json(200, &json!({"token_endpoint": ["https://auth0.openai.com/oauth/token"]})),
        Answer::html(200, "<html>https://auth0.openai.com/oauth/token</html>"),
        Answer::redirect(302, "https://auth0.openai.com/.well-known/openid-configuration"),
        Answer::status(500),
        Answer::hang_up(),
        // The one that has just said that it is none.
        names("https://auth.openai.com/oauth/token"),
    ] {
        let openai = OpenAi::with(vec![
            ("auth.openai.com", DOCUMENT, document),
            ("auth0.openai.com", DOCUMENT, names("https://auth0.openai.com/oauth/token")),
        ]);
        let home = openai.home(&issuer, &issuer.expired());
        for _ in 0..2 {
            fails(&home, &fetch(&issuer, &home), "refresh_unknown");
        }
        assert_eq!(openai.posts(), [owned(BUILT_IN)]);
        assert_eq!(openai.server.count(DOCUMENT), 1);
    }
}

#[test]
fn the_issuer_must_be_openai() {
    for issuer_url in [
        Value::Null,
        json!("http://auth.openai.com"),
        json!("https://evil.example"),
        json!("https://openai.com.evil.example"),
        json!("https://notopenai.com"),
        json!("https://user@auth.openai.com"),
        json!("//auth.openai.com"),
        json!(5),
    ] {
        let issuer = Issuer::new();
        let openai = OpenAi::with(vec![(
            "auth.openai.com",
            DOCUMENT,
            names("https://auth0.openai.com/oauth/token"),
        )]);
        let claims = json!({"iss": issuer_url, "exp": now() + 864_000});
        let login = Login { access_token: jwt(&claims), ..issuer.expired() };
        let home = openai.home(&issuer, &login);
        refuses(
            &run(&issuer, &home, &["auth", "refresh", "--discover"]),
            "is not an https URL of openai.com",
        );
        assert_eq!(openai.server.connections(), 0, "{issuer_url}");
        fails(&home, &fetch(&issuer, &home), "refresh_unknown");
        assert_eq!((openai.posts().len(), openai.server.count(DOCUMENT)), (1, 0), "{issuer_url}");
    }
}

#[test]
fn discover_shows_the_endpoint_and_sends_no_token() {
    let issuer = Issuer::new();
    let openai = OpenAi::with(vec![(
        "auth.openai.com",
        DOCUMENT,
        names("https://auth0.openai.com/oauth/token?x=y"),
    )]);
    let home = openai.home(&issuer, &issuer.expired());
    let output = run(&issuer, &home, &["auth", "refresh", "--discover", "--verbose"]);
    assert_eq!(
        output.stdout, "token endpoint: https://auth0.openai.com/oauth/token\n",
        "{output:?}"
    );
    assert!(openai.posts().is_empty() && !beside(&home, ".ledger").exists());
    let openai =
        OpenAi::with(vec![("auth.openai.com", DOCUMENT, names("https://evil.example/token"))]);
    let home = openai.home(&issuer, &issuer.expired());
    refuses(
        &run(&issuer, &home, &["auth", "refresh", "--discover"]),
        "names no token endpoint of openai.com",
    );
}

#[test]
fn an_override_is_final() {
    // Whoever names an endpoint gets no other one, also where that one is gone.
    let issuer = Issuer::new();
    let openai = OpenAi::with(vec![(
        "auth.openai.com",
        DOCUMENT,
        names("https://auth0.openai.com/oauth/token"),
    )]);
    let mut home = openai.home(&issuer, &issuer.expired());
    home.set("CODEX_REFRESH_TOKEN_URL_OVERRIDE", "https://auth.openai.com/elsewhere");
    fails(&home, &fetch(&issuer, &home), "refresh_unknown");
    assert_eq!(openai.posts(), [owned(("auth.openai.com", "/elsewhere"))]);
    assert_eq!(openai.server.count(DOCUMENT), 0);
}

#[test]
fn a_certificate_that_is_not_trusted_costs_nothing() {
    let issuer = Issuer::new();
    let new = issuer.good();
    let openai =
        OpenAi::with(vec![("auth.openai.com", TOKEN, Answer::json(200, &tokens_of(&new)))]);
    let mut home = openai.home(&issuer, &issuer.expired());
    let trusted = home.path().join("ca.pem");
    home.unset("CODEX_CA_CERTIFICATE");
    for _ in 0..2 {
        fails(&home, &fetch(&issuer, &home), "tls");
    }
    assert!(ledger(&home).is_empty() && openai.posts().is_empty());
    home.set("CODEX_CA_CERTIFICATE", trusted);
    succeeds(&fetch(&issuer, &home));
    holds(&home, &new);
}
