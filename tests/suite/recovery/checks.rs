//! Everything is checked before the POST: each thing that would lose a new token, one at a time.
//! Nothing is sent, auth.json is the same file with the same bytes, and the reason has its own code
//! and hint.

use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

use super::{
    Issuer, PROGRAM, beside, codex_text, each, fails, fails_openly, fetch, holds, is_root, read,
    run_command, succeeds,
};
use crate::support::home::{Home, finish, set_mode};

/// An ordinary user that owns nothing else.
const NOBODY: u32 = 65_534;

/// The program, run by an ordinary user to whom the home belongs by then; `before` comes before its
/// name.
pub fn as_nobody(home: &Home, before: &[&str]) -> Command {
    let program = home.path().join("program");
    if !program.exists() {
        set_mode(home.path(), 0o755);
        give(home.path(), NOBODY);
        // Where it was built, nobody else may be allowed to look.
        // `cp` copies it: if this process did, a child that another test starts at that moment
        // would inherit the open file, and the system would refuse to run it.
        let copied = Command::new("cp").arg(PROGRAM).arg(&program).status();
        assert!(copied.is_ok_and(|status| status.success()));
    }
    let user = format!("--reuid={NOBODY}");
    let group = format!("--regid={NOBODY}");
    let mut line = vec!["setpriv", &user, &group, "--clear-groups"];
    line.extend(before);
    line.push(program.to_str().unwrap());
    home.wrapped(&line)
}

/// Gives everything below `path` to a user.
fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

/// Runs `command` twice in a home in which something is wrong.
#[track_caller]
fn refused(name: &str, issuer: &Issuer, home: &Home, code: &str, command: impl Fn() -> Command) {
    let state = || {
        let metadata = std::fs::metadata(home.auth_path()).unwrap();
        (
            std::fs::read(home.auth_path()).unwrap(),
            metadata.ino(),
            metadata.mode(),
            metadata.mtime_nsec(),
        )
    };
    let before = state();
    for gets in 1..=2 {
        let output = run_command(issuer, home, &mut command());
        assert_eq!((issuer.gets(), issuer.posts()), (gets, 0), "{name}: {output:?}");
        if command().get_program() == "unshare" {
            fails(home, &output, code);
        } else {
            fails_openly(home, &output, code);
        }
    }
    assert_eq!(state(), before, "{name}: auth.json");
    let rescue = beside(home, ".new");
    assert!(!rescue.exists(), "{name}: nothing is left behind");
    assert!(!beside(home, ".ledger.new").exists(), "{name}: nothing is left behind");
}

type Break = fn(&Home);

fn in_home(home: &Home, name: &str) -> std::path::PathBuf {
    home.codex_home().join(name)
}

#[test]
fn what_is_wrong_with_the_files() {
    let cases: [(&str, &str, Break); 18] = [
        ("mode 0400", "auth_read_only", |home| set_mode(&home.auth_path(), 0o400)),
        ("mode 0444", "auth_read_only", |home| set_mode(&home.auth_path(), 0o444)),
        ("mode 0466", "auth_read_only", |home| set_mode(&home.auth_path(), 0o466)),
        ("two names", "auth_hard_links", |home| {
            std::fs::hard_link(home.auth_path(), in_home(home, "other")).unwrap()
        }),
        ("a link to a file of two names", "auth_hard_links", |home| {
            std::fs::hard_link(home.auth_path(), in_home(home, "other")).unwrap();
            std::fs::remove_file(home.auth_path()).unwrap();
            std::fs::hard_link(in_home(home, "other"), in_home(home, "third")).unwrap();
            symlink("third", home.auth_path()).unwrap();
        }),
        ("auth.lock is a directory", "codex_lock", |home| {
            std::fs::create_dir(in_home(home, "auth.lock")).unwrap()
        }),
        ("auth.json.lock is a directory", "codex_lock", |home| {
            std::fs::create_dir(in_home(home, "auth.json.lock")).unwrap();
        }),
        ("auth.lock is a link", "codex_lock", |home| {
            symlink("elsewhere", in_home(home, "auth.lock")).unwrap()
        }),
        ("auth.json.lock is a link", "codex_lock", |home| {
            symlink("elsewhere", in_home(home, "auth.json.lock")).unwrap()
        }),
        ("auth.lock is a pipe", "codex_lock", |home| pipe(&in_home(home, "auth.lock"))),
        ("auth.json.lock is a pipe", "codex_lock", |home| pipe(&in_home(home, "auth.json.lock"))),
        ("no record of what was sent can be read", "ledger", |home| {
            std::fs::write(beside(home, ".ledger"), "{").unwrap()
        }),
        ("an empty record", "ledger", |home| std::fs::write(beside(home, ".ledger"), "").unwrap()),
        ("a record by a newer codexline", "ledger", |home| {
            std::fs::write(beside(home, ".ledger"), r#"{"schema":2,"records":[]}"#).unwrap();
        }),
        ("a record that is a directory", "ledger", |home| {
            std::fs::create_dir(beside(home, ".ledger")).unwrap()
        }),
        ("a record that cannot be replaced", "ledger", |home| {
            std::fs::create_dir_all(beside(home, ".ledger.new").join("x")).unwrap();
        }),
        ("our own lock is a directory", "auth_directory", |home| {
            std::fs::create_dir(beside(home, ".lock")).unwrap()
        }),
        ("our own lock is a link", "auth_directory", |home| {
            symlink("elsewhere", beside(home, ".lock")).unwrap()
        }),
    ];
    each(&cases, 3, |(name, code, break_it)| {
        let issuer = Issuer::new();
        let home = issuer.home();
        break_it(&home);
        if *name == "a record that cannot be replaced" {
            let output = fetch(&issuer, &home);
            assert_eq!((issuer.gets(), issuer.posts()), (1, 0), "{output:?}");
            fails(&home, &output, code);
            return;
        }
        refused(name, &issuer, &home, code, || home.command(&["fetch", "--verbose"]));
        assert!(!in_home(&home, "elsewhere").exists(), "{name}: no link is followed");
    });
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn once_it_is_put_right_the_login_is_renewed() {
    let issuer = Issuer::new();
    let home = issuer.home();
    set_mode(&home.auth_path(), 0o400);
    fails(&home, &fetch(&issuer, &home), "auth_read_only");
    let page = home.run(&["auth"]);
    assert!(page.stdout.contains("not by us") && page.stdout.contains("chmod u+w"), "{page:?}");
    assert!(page.stdout.contains("permissions    0400, yours"), "{page:?}");
    set_mode(&home.auth_path(), 0o600);
    succeeds(&fetch(&issuer, &home));
    holds(&home, &issuer.minted());
}

#[test]
fn a_check_that_fails_while_another_one_spends_is_noticed() {
    // The second passed its checks and waits for the first; then the file is made read-only.
    let issuer = Issuer::new();
    let home = issuer.home();
    let gate = issuer.hold();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| fetch(&issuer, &home));
        crate::support::eventually("the POST", || issuer.posts() == 1);
        let lock = beside(&home, ".lock");
        let mut command = home.command(&["auth", "refresh", "--verbose"]);
        let second = scope.spawn(move || finish(&mut command));
        crate::support::eventually("the second to wait", || {
            let waiting = |process: &u32| {
                let Ok(descriptors) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
                    return false;
                };
                descriptors
                    .flatten()
                    .any(|entry| std::fs::read_link(entry.path()).is_ok_and(|link| link == lock))
            };
            home.processes().iter().filter(|process| waiting(process)).count() == 2
        });
        // A login that was not there when the second looked at the file.
        home.write_auth(codex_text(&issuer.expired()));
        set_mode(&home.auth_path(), 0o400);
        gate.open();
        first.join().unwrap();
        let second = second.join().unwrap();
        assert_eq!(second.code, Some(1), "{second:?}");
        assert!(second.stderr.contains("is not writable by its mode"), "{second:?}");
    });
    assert_eq!(issuer.posts(), 1);
}

// --- as root -------------------------------------------------------------------------------------

fn to_nobody(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

#[test]
fn root_reads_in_another_user_s_home_and_never_writes() {
    needs!("root");
    let cases: [(&str, &str, Break); 6] = [
        ("auth.json", "auth_not_owned", |home| to_nobody(&home.auth_path())),
        ("the home", "auth_not_owned", |home| to_nobody(&home.codex_home())),
        ("all", "auth_not_owned", |home| give(&home.codex_home(), NOBODY)),
        ("the directory of a link's target", "auth_not_owned", |home| {
            let dotfiles = home.path().join("dotfiles");
            std::fs::create_dir(&dotfiles).unwrap();
            std::fs::rename(home.auth_path(), dotfiles.join("auth.json")).unwrap();
            symlink(dotfiles.join("auth.json"), home.auth_path()).unwrap();
            to_nobody(&dotfiles);
        }),
        ("auth.lock", "codex_lock", |home| {
            std::fs::write(in_home(home, "auth.lock"), "").unwrap();
            to_nobody(&in_home(home, "auth.lock"));
        }),
        ("auth.json.lock", "codex_lock", |home| {
            std::fs::write(in_home(home, "auth.json.lock"), "").unwrap();
            to_nobody(&in_home(home, "auth.json.lock"));
        }),
    ];
    for (name, code, break_it) in cases {
        let issuer = Issuer::new();
        let home = issuer.home();
        break_it(&home);
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(home.codex_home())
                .unwrap()
                .map(|file| file.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        let before = names();
        refused(name, &issuer, &home, code, || home.command(&["fetch", "--verbose"]));
        if code == "auth_not_owned" {
            assert_eq!(names(), before, "{name}: no file of root's is left in the home");
        }
    }
}

#[test]
fn root_does_not_tidy_another_user_s_home_either() {
    needs!("root");
    let issuer = Issuer::new();
    let home = issuer.home();
    std::fs::write(beside(&home, ".new"), codex_text(&issuer.good())).unwrap();
    give(&home.codex_home(), NOBODY);
    fails(&home, &fetch(&issuer, &home), "auth_not_owned");
    std::fs::remove_file(home.auth_path()).unwrap();
    fails(&home, &fetch(&issuer, &home), "auth_not_owned");
    assert!(beside(&home, ".new").exists());
    assert!(!beside(&home, ".lock").exists());
}

#[test]
fn a_file_that_root_cannot_change_either() {
    needs!("root", "chattr");
    for flag in ["i", "a"] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let chattr = |sign: &str| {
            let flag = format!("{sign}{flag}");
            Command::new("chattr")
                .arg(flag)
                .arg(home.auth_path())
                .output()
                .unwrap()
                .status
                .success()
        };
        if !chattr("+") {
            skip!("chattr +i");
        }
        // Set back whatever comes of it, or the directory could not be removed.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            refused(flag, &issuer, &home, "auth_read_only", || {
                home.command(&["fetch", "--verbose"])
            });
        }));
        assert!(chattr("-"));
        result.unwrap();
    }
}

// --- as an ordinary user -------------------------------------------------------------------------

#[test]
fn what_an_ordinary_user_may_not_do() {
    needs!("root", "setpriv");
    fn of_root(path: &Path, mode: u32) {
        if !path.exists() {
            std::fs::write(path, "").unwrap();
        }
        chown(path, Some(0), Some(0)).unwrap();
        set_mode(path, mode);
    }
    let cases: [(&str, &str, Break); 9] = [
        ("a home that takes no file", "auth_directory", |home| set_mode(&home.codex_home(), 0o555)),
        ("a home of root's", "auth_directory", |home| of_root(&home.codex_home(), 0o755)),
        ("auth.json of root's", "auth_not_owned", |home| of_root(&home.auth_path(), 0o666)),
        ("auth.lock of root's, closed", "codex_lock", |home| {
            of_root(&in_home(home, "auth.lock"), 0o600)
        }),
        ("auth.lock of root's, open", "codex_lock", |home| {
            of_root(&in_home(home, "auth.lock"), 0o666)
        }),
        ("auth.json.lock of root's, closed", "codex_lock", |home| {
            of_root(&in_home(home, "auth.json.lock"), 0o600)
        }),
        ("auth.json.lock of root's, open", "codex_lock", |home| {
            of_root(&in_home(home, "auth.json.lock"), 0o666)
        }),
        ("our own lock of root's", "auth_directory", |home| of_root(&beside(home, ".lock"), 0o600)),
        ("our record of root's", "ledger", |home| of_root(&beside(home, ".ledger"), 0o600)),
    ];
    each(&cases, 3, |(name, code, break_it)| {
        let issuer = Issuer::new();
        let home = issuer.home();
        let command = || {
            let mut command = as_nobody(&home, &[]);
            command.args(["fetch", "--verbose"]);
            command
        };
        command();
        break_it(&home);
        refused(name, &issuer, &home, code, command);
    });
}

#[test]
fn an_ordinary_user_with_an_ordinary_home_is_renewed() {
    needs!("root", "setpriv");
    let issuer = Issuer::new();
    let home = issuer.home();
    succeeds(&run_command(&issuer, &home, as_nobody(&home, &[]).args(["fetch", "--verbose"])));
    holds(&home, &issuer.minted());
    assert_eq!(std::fs::metadata(home.auth_path()).unwrap().uid(), NOBODY);
}

// --- mounts --------------------------------------------------------------------------------------

/// The script in a mount namespace of its own; `$0` is the program.
fn mounted(home: &Home, script: &str) -> Command {
    home.wrapped(&["unshare", "-m", "sh", "-c", script, PROGRAM])
}

#[test]
fn a_login_that_is_mounted_cannot_be_replaced() {
    needs!("root", "mount");
    for (name, code, script) in [
        (
            "the file",
            "auth_mount_point",
            r#"mount --bind "$CODEX_HOME/auth.json" "$CODEX_HOME/auth.json""#,
        ),
        (
            "another file over it",
            "auth_mount_point",
            r#"cp "$CODEX_HOME/auth.json" "$HOME/real" &&
               mount --bind "$HOME/real" "$CODEX_HOME/auth.json""#,
        ),
        (
            "its home, read-only",
            "auth_directory",
            r#"mount --bind "$CODEX_HOME" "$CODEX_HOME" && mount -o remount,ro,bind "$CODEX_HOME""#,
        ),
    ] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let script = format!(
            r#"{script} || exit 77
                    exec "$0" fetch --verbose"#
        );
        let code = if name.contains("read-only") { "auth_read_only" } else { code };
        refused(name, &issuer, &home, code, || mounted(&home, &script));
    }
    // Below a mount of the whole home it is as anywhere.
    let issuer = Issuer::new();
    let home = issuer.home();
    let script = r#"mount --bind "$CODEX_HOME" "$CODEX_HOME" || exit 77
                    exec "$0" fetch --verbose"#;
    succeeds(&run_command(&issuer, &home, &mut mounted(&home, script)));
    holds(&home, &issuer.minted());
}

#[test]
fn a_name_with_blanks_is_found_among_the_mounts() {
    needs!("root", "mount");
    let issuer = Issuer::new();
    let mut home = issuer.home();
    let moved = home.path().join("a home\twith \\ blanks");
    std::fs::rename(home.codex_home(), &moved).unwrap();
    home.set("CODEX_HOME", &moved);
    let script = r#"mount --bind "$CODEX_HOME/auth.json" "$CODEX_HOME/auth.json" || exit 77
                    exec "$0" fetch --verbose"#;
    fails(&home, &run_command(&issuer, &home, &mut mounted(&home, script)), "auth_mount_point");
    assert_eq!((issuer.gets(), issuer.posts()), (1, 0));
}

#[test]
fn a_full_disk_is_noticed_before() {
    needs!("root", "mount");
    // How many pages are left: none at all; enough for the new content, and none for the record.
    for (pages, code) in [(0, "auth_no_room"), (5, "auth_no_room"), (9, "ledger")] {
        let issuer = Issuer::new();
        let home = issuer.home();
        let script = format!(
            r#"cp -a "$CODEX_HOME" "$HOME/seed" &&
                mount -t tmpfs -o size=96k,mode=700 none "$CODEX_HOME" || exit 77
            cp -a "$HOME/seed/." "$CODEX_HOME"
            dd if=/dev/zero of="$CODEX_HOME/filler" bs=4k 2>/dev/null
            truncate -s -$(({pages} * 4096)) "$CODEX_HOME/filler"
            "$0" fetch --verbose; code=$?
            cmp "$HOME/seed/auth.json" "$CODEX_HOME/auth.json" || exit 78
            [ ! -e "$CODEX_HOME/auth.json.codexline.new" ] || exit 79
            rm "$CODEX_HOME/filler"; rm -r "$HOME/seed"
            exit $code"#
        );
        refused(&format!("{pages} pages"), &issuer, &home, code, || mounted(&home, &script));
    }
}

#[test]
fn no_problem_is_made_up() {
    // What looks unusual and is none: the checks must not keep anybody from a renewal who could
    // have one.
    let cases: [(&str, Break); 5] = [
        ("mode 0666", |home| set_mode(&home.auth_path(), 0o666)),
        ("mode 0200 and root", |home| {
            set_mode(&home.auth_path(), if is_root() { 0o200 } else { 0o600 })
        }),
        ("lock files with content", |home| {
            std::fs::write(in_home(home, "auth.lock"), "x").unwrap();
            std::fs::write(in_home(home, "auth.json.lock"), "x").unwrap();
        }),
        ("two links to the file", |home| symlink("auth.json", in_home(home, "other")).unwrap()),
        ("leftovers of Codex's", |home| {
            std::fs::write(in_home(home, ".auth-abcdef"), "x").unwrap()
        }),
    ];
    for (name, change) in cases {
        let issuer = Issuer::new();
        let home = issuer.home();
        change(&home);
        let output = fetch(&issuer, &home);
        assert_eq!(output.code, Some(0), "{name}: {output:?}");
        holds(&home, &issuer.minted());
        assert!(read(&home.auth_path()).ends_with('}'));
    }
}
