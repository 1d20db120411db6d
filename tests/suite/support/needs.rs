//! What a test needs of the machine beside the program: other programs, or something that the
//! system must allow.
//!
//! ```ignore
//! needs!("strace");                       // ends the test here where strace may not trace
//! needs!("sway", "grim");                 // both
//! let codex = needs!("codex");            // the path of the last one
//! if has!("fish") { … }                   // a part of the test only
//! ```
//! libtest counts a test that returns early as passed. So each need that is not met is written
//! down, and the last line of the whole run names them all:
//!
//! ```text
//! 14 tests did not run in full: strace (12), codex (2)
//! ```
//! `CODEXLINE_REQUIRE` turns that into failures. It holds names of needs with commas between them:
//! `strace,codex`; or all of them with exceptions: `all,-nu`, as in `.ci/run`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, Once, OnceLock};
use std::time::SystemTime;

/// The test that does not run in full, by each need that was not met.
static MISSED: Mutex<BTreeMap<String, BTreeSet<String>>> = Mutex::new(BTreeMap::new());

/// Returns from the test unless every need is met; the value is where the last one is installed.
macro_rules! needs {
    ($($need:expr),+ $(,)?) => {{
        let Some(found) = crate::support::needs::find_all(&[$($need),+], test_name!()) else {
            return;
        };
        found
    }};
}

/// Whether a need is met, for a test that can go on without it.
macro_rules! has {
    ($need:expr) => {
        crate::support::needs::find_all(&[$need], test_name!()).is_some()
    };
}

/// Returns from a test that found out by itself that it cannot run here.
macro_rules! skip {
    ($need:expr) => {{
        crate::support::needs::miss($need, test_name!());
        return;
    }};
}

/// The path of the function that this stands in.
macro_rules! test_name {
    () => {{
        fn here() {}
        std::any::type_name_of_val(&here)
    }};
}

/// Where the last of the needs is met; `None`, and the others are written down, when one is not.
pub fn find_all(needs: &[&str], test: &str) -> Option<PathBuf> {
    let mut last = None;
    for need in needs {
        let found = find(need);
        if found.is_none() {
            miss(need, test);
            return None;
        }
        last = found;
    }
    last
}

/// Where a need is met. Most needs are names of programs; the others are listed here.
fn find(need: &str) -> Option<PathBuf> {
    static TRACE: OnceLock<bool> = OnceLock::new();
    static NAMESPACES: OnceLock<bool> = OnceLock::new();
    static MOUNT: OnceLock<bool> = OnceLock::new();
    let works = |line: &[&str]| {
        let output = Command::new(line[0]).args(&line[1..]).output();
        output.is_ok_and(|output| output.status.success())
    };
    match need {
        // A container can forbid ptrace.
        "strace" => {
            let path = program(need)?;
            TRACE.get_or_init(|| works(&["strace", "-o", "/dev/null", "true"])).then_some(path)
        }
        // A file system of the test's own, seen by nobody else.
        "mount" => {
            let path = program("unshare")?;
            let mount = |flags| works(&["unshare", flags, "mount", "-t", "tmpfs", "none", "/mnt"]);
            MOUNT.get_or_init(|| mount("-rm") && (!is_root() || mount("-m"))).then_some(path)
        }
        // A network and mounts of a thread's own, which only root may have.
        "namespaces" => {
            let path = program("unshare")?;
            let works = || is_root() && works(&["unshare", "-mn", "true"]);
            NAMESPACES.get_or_init(works).then_some(path)
        }
        "root" => is_root().then(PathBuf::new),
        "codex" => super::codex::real(),
        "static-build" => static_build(),
        "wine" => windows_build(),
        _ => program(need),
    }
}

/// The static build, if it is of the present sources. Where it is required it is built first.
fn static_build() -> Option<PathBuf> {
    static BUILT: OnceLock<()> = OnceLock::new();
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    // target/debug/codexline
    let directory = Path::new(env!("CARGO_BIN_EXE_codexline")).ancestors().nth(2)?;
    let program = directory.join(&target).join("release/codexline");
    if is_required("static-build") {
        BUILT.get_or_init(|| {
            let mut cargo = Command::new(env!("CARGO"));
            // What cargo tells this test of its package would build some dependencies anew.
            let ours = ["CARGO_PKG_", "CARGO_MANIFEST_"];
            for (name, _) in std::env::vars_os() {
                let name = name.to_string_lossy();
                if ours.iter().any(|prefix| name.starts_with(prefix)) {
                    cargo.env_remove(&*name);
                }
            }
            let built = cargo
                .args(["build", "--release", "--bin", "codexline", "--target", &target])
                .arg("--target-dir")
                .arg(directory)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status();
            assert!(built.is_ok_and(|status| status.success()), "the static build failed");
        });
        return Some(program);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    (newest(&program)? >= newest(&root.join("src"))?).then_some(program)
}

/// The Windows build of the present sources that `.ci/windows` makes, where wine can run it.
fn windows_build() -> Option<PathBuf> {
    program("x86_64-w64-mingw32-gcc-posix")?;
    std::fs::metadata("/usr/lib/wine/wine64").ok()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_BIN_EXE_codexline")).ancestors().nth(2)?;
    let built = target.join("x86_64-pc-windows-gnu/debug/codexline.exe");
    (newest(&built)? >= newest(&root.join("src"))?).then_some(built)
}

/// When a file, or the latest one in a directory, was written.
fn newest(path: &Path) -> Option<SystemTime> {
    if !path.is_dir() {
        return std::fs::metadata(path).ok()?.modified().ok();
    }
    let entries = std::fs::read_dir(path).ok()?;
    entries.filter_map(|entry| newest(&entry.ok()?.path())).max()
}

/// The directories in which programs are looked for: where `.ci/hosts` puts them, then `PATH`.
pub fn directories() -> Vec<PathBuf> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hosts/bin")];
    directories.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    directories
}

/// Where the program `name` is installed.
pub fn program(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    directories().into_iter().map(|directory| directory.join(name)).find(|path| {
        std::fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    })
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    // SAFETY: it takes nothing, cannot fail and involves no memory.
    unsafe { libc::geteuid() == 0 }
}

/// Whether `CODEXLINE_REQUIRE` asks for this need.
fn is_required(need: &str) -> bool {
    let required = std::env::var("CODEXLINE_REQUIRE").unwrap_or_default();
    let is_there = |wanted: &str| required.split(',').any(|word| word == wanted);
    is_there(need) || is_there("all") && !is_there(&format!("-{need}"))
}

/// Writes down that a test does not run in full, or fails it where the need is required.
pub fn miss(need: &str, test: &str) {
    assert!(!is_required(need), "{need} is missing, and CODEXLINE_REQUIRE asks for it");
    static AT_EXIT: Once = Once::new();
    AT_EXIT.call_once(|| {
        // SAFETY: `report` takes nothing and does not unwind.
        unsafe { libc::atexit(report) };
    });
    let test = test.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    let mut missed = MISSED.lock().unwrap();
    missed.entry(need.to_owned()).or_default().insert(test.to_owned());
}

/// The last line of the run, on the process's own stderr: libtest holds back what tests print.
extern "C" fn report() {
    let Ok(missed) = MISSED.lock() else { return };
    let tests: BTreeSet<&String> = missed.values().flatten().collect();
    let needs: Vec<String> =
        missed.iter().map(|(need, tests)| format!("{need} ({})", tests.len())).collect();
    let tests = match tests.len() {
        1 => "1 test".to_owned(),
        number => format!("{number} tests"),
    };
    let line = format!("{tests} did not run in full: {}\n", needs.join(", "));
    // SAFETY: the pointer and the length are those of `line`.
    unsafe { libc::write(2, line.as_ptr().cast(), line.len()) };
}
