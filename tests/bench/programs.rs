//! The programs that are measured: codexline in both linkages, a floor for each, and other programs
//! of this kind.

use crate::process::{Program, find};
use crate::support::home::{Home, TempDir, finish};
use crate::support::server::Server;
use crate::support::usage;
use codexline::io::env::system_clock;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The builds of codexline, and the floor program for each linkage.
///
/// All of them are copies, as an installation makes them: the pages that a linker has just written
/// take longer to map.
pub struct Builds {
    pub program: PathBuf,
    pub floor: PathBuf,
    /// The static floor and the static codexline.
    fixed: Option<(PathBuf, PathBuf)>,
    pub further: Vec<PathBuf>,
    _copies: TempDir,
}

impl Builds {
    /// `programs`: the build to measure instead of this package's own, and further ones.
    pub fn new(mut programs: Vec<PathBuf>) -> Builds {
        let copies = TempDir::new();
        let copy = |program: &Path, name: &str| {
            let place = copies.path().join(name);
            std::fs::copy(program, &place).expect("a program can be copied");
            place
        };
        let further = programs.split_off(programs.len().min(1));
        let program =
            programs.pop().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_codexline")));
        let fixed = match codexline_static() {
            Ok((floor, program)) => {
                Some((copy(&floor, "floor-static"), copy(&program, "codexline-static")))
            }
            Err(reason) => {
                println!("no static rows: {reason}\n");
                None
            }
        };
        let floor = compile_floor("floor", None).expect("the floor can be compiled");
        Builds {
            program: copy(&program, "codexline"),
            floor: copy(&floor, "floor"),
            fixed,
            further,
            _copies: copies,
        }
    }

    /// For each linkage: what is added to names, the floor and codexline.
    pub fn linkages(&self) -> Vec<(&'static str, &Path, &Path)> {
        let mut linkages = vec![("", self.floor.as_path(), self.program.as_path())];
        if let Some((floor, program)) = &self.fixed {
            linkages.push((" (static)", floor, program));
        }
        linkages
    }
}

/// Where this package's build products lie.
fn target() -> PathBuf {
    // target/release/codexline
    let program = Path::new(env!("CARGO_BIN_EXE_codexline"));
    program.ancestors().nth(2).expect("target/PROFILE/PROGRAM").to_path_buf()
}

/// Compiles the floor program for a target.
///
/// # Errors
/// Why rustc cannot.
fn compile_floor(name: &str, target_name: Option<&str>) -> Result<PathBuf, String> {
    let directory = target().join("bench");
    std::fs::create_dir_all(&directory).expect("the target directory can be written");
    let program = directory.join(name);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    if let Some(target) = target_name {
        command.args(["--target", target]);
    }
    // As the release profile in Cargo.toml.
    command
        .args(["--edition", "2024", "-C", "opt-level=s", "-C", "lto=fat", "-C", "codegen-units=1"])
        .args(["-C", "panic=abort", "-C", "strip=symbols", "-o"])
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/floor.rs"));
    succeed(&mut command)?;
    Ok(program)
}

/// The static floor and codexline. They need `rustup target add` and a C compiler for musl.
///
/// # Errors
/// Why they cannot be built.
fn codexline_static() -> Result<(PathBuf, PathBuf), String> {
    let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let floor = compile_floor("floor-static", Some(&musl))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--offline", "--bin", "codexline", "--target", &musl])
        .arg("--target-dir")
        .arg(target())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    succeed(&mut command)?;
    Ok((floor, target().join(&musl).join("release/codexline")))
}

/// The standard output of a command that succeeds.
///
/// # Errors
/// The command and the last line of its standard error.
fn succeed(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Err(format!("{command:?}: {reason}"))
}

/// Another program that shows how much of a Codex plan is left.
struct Peer {
    program: &'static str,
    /// The arguments that fill its cache from the server.
    fill: &'static [&'static str],
    line: &'static [&'static str],
    /// The text that its line must contain.
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

/// The warm lines of those other programs that are installed and print the numbers from their
/// cache.
pub fn peers(home: &mut Home, server: &Server) -> Vec<Program> {
    home.set("CODEX_AUTH_FILE", home.auth_path());
    home.set("CODEX_CHATGPT_BASE_URL", format!("{}/", server.base()));
    home.set("CODEX_PROMPT_SEGMENT_ENABLED", "true");
    home.set("ZSH_CACHE_DIR", home.path().join("cache/zsh"));
    // ai-usagebar's login and cache: the answer as it came; its file's time says how old it is.
    let codex = home.path().join("home/.codex");
    let cache = home.path().join("cache/ai-usagebar/openai");
    for directory in [&codex, &cache] {
        std::fs::create_dir_all(directory).expect("a home can be filled");
    }
    std::fs::copy(home.auth_path(), codex.join("auth.json")).expect("a home can be filled");
    std::fs::write(cache.join("usage.json"), usage().to_string()).expect("a home can be filled");
    // quotas' cache: the answer as it came, which it reads again whatever the status says.
    let cache = home.path().join("cache/quotas");
    let now = system_clock().rfc3339();
    let result = json!({
        "kind": "codex",
        "status": "authrequired",
        "fetched_at": now,
        "raw_response": usage(),
    });
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
