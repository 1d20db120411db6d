//! What is measured beside codexline: the floor, built here and now, the static build, and other programs of this kind.

use crate::process::{Program, find};
use crate::support::home::{Home, finish};
use crate::support::server::Server;
use crate::support::usage;
use codexline::io::env::system_clock;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where this package's build products lie.
fn target() -> PathBuf {
    // target/release/codexline
    let program = Path::new(env!("CARGO_BIN_EXE_codexline"));
    program.ancestors().nth(2).expect("target/PROFILE/PROGRAM").to_path_buf()
}

fn musl() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// Whether the standard library for a target is installed.
fn has_target(target: &str) -> bool {
    let output =
        Command::new(rustc()).args(["--print", "target-libdir", "--target", target]).output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The floor program, dynamically linked, or static for musl; `None` where that target is not installed.
pub fn floor(is_static: bool) -> Option<PathBuf> {
    let directory = target().join("bench");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    let program = directory.join(if is_static { "floor-static" } else { "floor" });
    let mut command = Command::new(rustc());
    if is_static {
        if !has_target(&musl()) {
            return None;
        }
        command.args(["--target", &musl()]);
    }
    // As the release profile of Cargo.toml.
    command
        .args(["--edition", "2024", "-C", "opt-level=s", "-C", "lto=fat", "-C", "codegen-units=1"])
        .args(["-C", "panic=abort", "-C", "strip=symbols", "-o"])
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/floor.rs"));
    assert!(
        command.status().is_ok_and(|status| status.success()),
        "the floor cannot be compiled: {command:?}"
    );
    Some(program)
}

/// codexline, static.
///
/// # Errors
/// Why there is none.
pub fn codexline_static() -> Result<PathBuf, String> {
    if !has_target(&musl()) {
        return Err(format!("no static rows: rustup target add {}", musl()));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--release",
            "--offline",
            "--bin",
            "codexline",
            "--target",
            &musl(),
            "--target-dir",
        ])
        .arg(target())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("no static rows: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let reason = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!(
            "no static rows, {command:?} failed: {reason} (musl-tools installed?)"
        ));
    }
    Ok(target().join(musl()).join("release/codexline"))
}

/// Another program that shows how much of a Codex plan is used.
struct Peer {
    program: &'static str,
    /// What fills its cache from the server.
    fill: &'static [&'static str],
    line: &'static [&'static str],
    /// What its line must contain.
    expected: &'static str,
}

const PEERS: &[Peer] = &[
    // nils-codex-cli
    Peer {
        program: "codex-cli",
        fill: &["prompt-segment", "--refresh"],
        line: &["prompt-segment", "--ttl", "1h"],
        expected: "58%",
    },
    Peer { program: "ai-usagebar", fill: &[], line: &["--vendor", "openai"], expected: "42" },
    Peer {
        program: "quotas",
        fill: &[],
        line: &["--statusline", "--provider", "codex", "--no-bg-refresh", "--no-update-check"],
        expected: "58/100",
    },
];

/// Other programs' warm lines, where they are installed and print the numbers from their cache, without a network.
pub fn peers(home: &mut Home, server: &Server) -> Vec<Program> {
    home.set("CODEX_AUTH_FILE", home.auth_path());
    home.set("CODEX_CHATGPT_BASE_URL", format!("{}/", server.base()));
    home.set("CODEX_PROMPT_SEGMENT_ENABLED", "true");
    home.set("ZSH_CACHE_DIR", home.path().join("cache/zsh"));
    // ai-usagebar's login and cache: the raw answer, as young as its file.
    let codex = home.path().join("home/.codex");
    let cache = home.path().join("cache/ai-usagebar/openai");
    for directory in [&codex, &cache] {
        std::fs::create_dir_all(directory).expect("a home can be filled");
    }
    std::fs::copy(home.auth_path(), codex.join("auth.json")).expect("a home can be filled");
    std::fs::write(cache.join("usage.json"), usage().to_string()).expect("a home can be filled");
    // quotas' cache: the answer again, read anew from its raw form whatever the status says.
    let cache = home.path().join("cache/quotas");
    let now = system_clock().rfc3339();
    let result = json!({"kind": "codex", "status": "authrequired", "fetched_at": now, "raw_response": usage()});
    let entries = json!({"entries": {"codex": {"cached_at": now, "result": result}}});
    std::fs::create_dir_all(&cache).expect("a home can be filled");
    std::fs::write(cache.join("cache.json"), entries.to_string()).expect("a home can be filled");
    PEERS.iter().filter_map(|peer| warm(peer, home)).collect()
}

fn warm(peer: &Peer, home: &Home) -> Option<Program> {
    let path = find(peer.program)?;
    let command = |arguments: &[&str]| {
        let mut command = home.wrapped(&[path.to_str().unwrap_or_default()]);
        command.args(arguments);
        command
    };
    if !peer.fill.is_empty() {
        finish(&mut command(peer.fill));
    }
    let mut line = command(peer.line);
    let output = finish(&mut line);
    let prints = output.code == Some(0) && output.stdout.contains(peer.expected);
    prints.then(|| Program::new(&format!("{} (peer)", peer.program), &line))
}
