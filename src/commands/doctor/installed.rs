//! Which system this is, and how the program came onto it, as far as its place tells.

use super::{DoctorContext, Finding};
use crate::io::files;
use std::path::Path;

/// In bytes. The file has a few hundred.
const LONGEST_RELEASE: u64 = 16 * 1024;

pub fn system(_: &DoctorContext) -> Vec<Finding> {
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let release = files::read_bounded(Path::new("/etc/os-release"), LONGEST_RELEASE);
    let release = release.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let name = release.ok().and_then(|text| pretty_name(&text).map(|name| format!("{name}, ")));
    vec![Finding::ok("system", format!("{}{system} {machine}", name.unwrap_or_default()))]
}

pub fn installed(_: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "installed";
    let program = std::env::current_exe().ok();
    vec![match program.and_then(|program| installer(&program, &|path| path.exists())) {
        Some(installer) => Finding::ok(NAME, format!("by {installer}")),
        None => Finding::ok(NAME, "by hand: no package manager's place"),
    }]
}

/// The name in a file of os-release(5).
fn pretty_name(release: &str) -> Option<&str> {
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\''])).filter(|name| !name.is_empty())
}

/// What has put the program at this path. `exists`: whether there is a file or directory.
fn installer(program: &Path, exists: &dyn Fn(&Path) -> bool) -> Option<&'static str> {
    let names: Vec<_> = program.components().map(|part| part.as_os_str()).collect();
    let passes = |name: &str| names.iter().any(|part| *part == name);
    let directory = program.parent()?;
    let is_beside = |name: &str| exists(&directory.join(name));
    let is_above = |name: &str| directory.parent().is_some_and(|root| exists(&root.join(name)));
    let is_systems = directory == Path::new("/usr/bin");
    Some(match () {
        () if passes("node_modules") => "npm",
        () if program.starts_with("/nix/store") => "Nix",
        () if passes("Cellar") => "Homebrew",
        // The environment of pip, pipx or uv.
        () if is_above("pyvenv.cfg") => "PyPI (pip, pipx or uv)",
        // Where `cargo install` writes down what it has installed.
        () if is_above(".crates.toml") => "cargo install",
        () if is_systems && exists(Path::new("/var/lib/dpkg/info/codexline.list")) => {
            "the Debian package"
        }
        () if is_systems && exists(Path::new("/var/lib/pacman/local")) => "pacman",
        () if is_beside("THIRD-PARTY.md") && is_beside("integrations") => "the release's archive",
        () if is_beside(".fingerprint") => "cargo build",
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_and_what_is_around_it_tell_the_installer() {
        for (program, there, expected) in [
            ("/usr/lib/node_modules/codexline/bin/codexline", "", Some("npm")),
            ("/nix/store/abc-codexline-0.1.0/bin/codexline", "", Some("Nix")),
            ("/opt/homebrew/Cellar/codexline/0.1.0/bin/codexline", "", Some("Homebrew")),
            (
                "/h/.local/share/uv/tools/codexline/bin/codexline",
                "/h/.local/share/uv/tools/codexline/pyvenv.cfg",
                Some("PyPI (pip, pipx or uv)"),
            ),
            ("/h/.cargo/bin/codexline", "/h/.cargo/.crates.toml", Some("cargo install")),
            ("/t/debug/codexline", "/t/debug/.fingerprint", Some("cargo build")),
            ("/usr/bin/codexline", "/var/lib/dpkg/info/codexline.list", Some("the Debian package")),
            ("/usr/bin/codexline", "/var/lib/pacman/local", Some("pacman")),
            // Debian's own list says nothing about a copy elsewhere.
            ("/opt/bin/codexline", "/var/lib/dpkg/info/codexline.list", None),
            ("/h/bin/codexline", "/h/bin/THIRD-PARTY.md", None),
            ("/h/bin/codexline", "", None),
        ] {
            let exists = |path: &Path| path == Path::new(there);
            assert_eq!(installer(Path::new(program), &exists), expected, "{program}");
        }
        let in_archive = |path: &Path| path.starts_with("/h/codexline-x");
        let program = Path::new("/h/codexline-x/codexline");
        assert_eq!(installer(program, &in_archive), Some("the release's archive"));
    }

    #[test]
    fn the_systems_name_is_that_of_os_release() {
        let text = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(text), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(pretty_name("PRETTY_NAME=Alpine\n"), Some("Alpine"));
        assert_eq!(pretty_name("PRETTY_NAME=\"\"\nNAME=x\n"), None);
    }
}
