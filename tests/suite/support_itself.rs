//! The server, the home and `needs!` do what the scenarios rely on.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::home::{Login, TempDir, jwt};
use crate::support::server::{Answer, Authority, Gate, Server};
use crate::support::{TOKEN, USAGE, eventually, signed_in, usage};

/// The answer to these bytes.
fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

const GET: &str = "GET /backend-api/wham/usage?x=1 HTTP/1.1\r\nauthorization: Bearer t\r\n\r\n";

#[test]
fn the_server_follows_its_script_and_counts() {
    let usage = usage();
    let server = Server::usage(usage.clone());
    server.push(USAGE, Answer::status(401));
    assert!(ask(&server, GET).starts_with("HTTP/1.1 401 "));
    assert!(ask(&server, GET).ends_with(&usage.to_string()));
    let post = "POST /oauth/token HTTP/1.1\r\nContent-Length: 9\r\n\r\na=1&b=%2b";
    assert!(ask(&server, post).starts_with("HTTP/1.1 404 "));
    assert_eq!((server.count(USAGE), server.count(TOKEN), server.total()), (2, 1, 3));
    assert_eq!(server.last(USAGE).bearer(), Some("t"));
    assert_eq!(server.last(TOKEN).form("b").as_deref(), Some("+"));
}

#[test]
fn the_server_misbehaves_on_demand() {
    let server = Server::start(|_| Answer::hang_up());
    assert_eq!(ask(&server, GET), "");
    server.always(Answer::bytes(200, "text/plain", "abcdef").cut_after(3));
    assert!(ask(&server, GET).ends_with("Content-Length: 6\r\nConnection: close\r\n\r\nabc"));
    let start = Instant::now();
    server.always(Answer::bytes(200, "text/plain", "abc").drip(1, Duration::from_millis(30)));
    assert!(ask(&server, GET).ends_with("abc"));
    assert!(start.elapsed() >= Duration::from_millis(90));
    server.hang_up_unread(true);
    assert_eq!((ask(&server, GET), server.total()), (String::new(), 3));
}

#[test]
fn a_gate_holds_an_answer_back_until_it_is_opened() {
    let server = Server::usage(usage());
    let gate = Gate::closed();
    server.push(USAGE, Answer::status(200).behind(&gate));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&server, GET));
        server.wait_for(USAGE, 1);
        assert!(!asking.is_finished());
        gate.open();
        eventually("the answer", || asking.is_finished());
    });
}

#[test]
fn a_server_that_holds_answers_can_be_dropped() {
    let server = Server::start(|_| Answer::status(200).behind(&Gate::closed()));
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(GET.as_bytes()).unwrap();
    server.wait_for(USAGE, 1);
    drop(server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
}

#[test]
fn the_tls_variant_is_trusted_by_who_trusts_its_authority() {
    let authority = Authority::new();
    let server = Server::tls(&authority, |_| Answer::bytes(200, "text/plain", "safe"));
    let mut roots = rustls::RootCertStore::empty();
    let pem = authority.pem();
    use rustls::pki_types::pem::PemObject as _;
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let connection =
        rustls::ClientConnection::new(config.into(), "127.0.0.1".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, stream);
    stream.write_all(GET.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("safe"), "{answer}");
}

#[test]
fn a_home_is_removed_and_its_processes_with_it() {
    let (_server, home) = signed_in();
    let path = home.path().to_owned();
    assert_eq!(home.read_auth()["tokens"]["account_id"], "acc-1");
    let mut child = home.wrapped(&["sleep", "60"]).spawn().unwrap();
    eventually("the process", || home.processes() == [child.id()]);
    drop(home);
    assert!(!child.wait().unwrap().success());
    assert!(!path.exists());
}

#[test]
fn made_up_tokens_differ_and_have_three_parts() {
    let (one, two) = (Login::of("a"), Login::of("a"));
    assert_ne!(one.access_token, two.access_token);
    assert_ne!(one.refresh_token, two.refresh_token);
    assert_eq!(jwt(&usage()).split('.').count(), 3);
    assert_ne!(TempDir::new().path(), TempDir::new().path());
}

#[test]
fn what_a_test_starts_has_the_default_signals_also_in_the_background() {
    let this = std::env::current_exe().unwrap();
    let script = "trap '' INT HUP QUIT TERM; exec \"$0\" --exact \
                  herd::a_host_that_kills_its_command_still_gets_the_answer \
                  activity_command::a_scan_that_is_interrupted_keeps_what_it_has_counted";
    let run = std::process::Command::new("sh").args(["-c", script]).arg(this).output().unwrap();
    let output = String::from_utf8(run.stdout).unwrap();
    assert!(output.contains("2 passed"), "{output}");
}

/// Runs one test of this very binary by itself.
fn alone(test: &str, environment: &[(&str, &str)]) -> (bool, String) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env_remove("CODEXLINE_REQUIRE")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_test_that_does_not_run_is_named_at_the_end() {
    let nowhere = ("PATH", "/nonexistent");
    let test = "speed::the_time_zone_is_read_only_for_a_template_that_asks";
    let (passed, stderr) = alone(test, &[nowhere]);
    assert!(passed);
    assert_eq!(stderr, "1 test did not run in full: strace (1)\n");
    for required in ["strace", "codex,strace", "all"] {
        let (passed, stderr) = alone(test, &[nowhere, ("CODEXLINE_REQUIRE", required)]);
        assert!(!passed, "{required}: {stderr}");
    }
    // What is not required may be missing, and a test that needs nothing says nothing.
    for required in ["codex", "all,-strace"] {
        assert!(alone(test, &[nowhere, ("CODEXLINE_REQUIRE", required)]).0, "{required}");
    }
    let usual = "support_itself::the_server_follows_its_script_and_counts";
    assert_eq!(alone(usual, &[nowhere]), (true, String::new()));
}
