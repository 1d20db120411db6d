//! Bad input. Whatever is in the place of auth.json, config.toml or the cache, the line says so in
//! a word. Nothing hangs, no request is made that cannot be used, and nothing of the user's is
//! lost.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::home::{ACCOUNT, Home, Login, Output, finish, set_mode};
use crate::support::needs::is_root;
use crate::support::server::{Answer, Server};
use crate::support::{USAGE, USUAL_LINE, eventually, now, signed_in, usage};

#[track_caller]
fn prints(output: &Output, expected: &str) {
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str(), output.code),
        (expected, "", Some(0))
    );
}

fn make_fifo(path: &Path) {
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the string ends with NUL and lives through the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

fn put_away(path: &Path) {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path).unwrap(),
        Ok(_) => std::fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

// --- auth.json -----------------------------------------------------------------------------------

/// Checks a login that cannot be used: the line prints `word`, `fetch` fails with one line that
/// names `named`, and json has `code`. No request is made, and the file stays as it is.
#[track_caller]
fn check_login(word: &str, code: &str, named: &str, prepare: impl Fn(&Home)) {
    let (server, home) = signed_in();
    prepare(&home);
    let state = |home: &Home| {
        let metadata = std::fs::symlink_metadata(home.auth_path()).ok()?;
        Some((metadata.ino(), metadata.size(), metadata.mtime_nsec(), metadata.mode()))
    };
    let before = state(&home);
    for _ in 0..2 {
        prints(&home.run(&["--wait", "20s"]), &format!("Codex: {word}\n"));
        prints(&home.run(&["starship", "--color", "never"]), &format!("Codex: {word}\n"));
    }
    let error = home.run(&["json"]).json()["error"].clone();
    assert_eq!(error["code"], code, "{error}");
    let output = home.run(&["fetch"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(1), ""), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    assert!(output.stderr.contains(named), "{named} is not named: {output:?}");
    assert_eq!(server.connections(), 0, "{word}");
    assert_eq!(state(&home), before);
    // When the file is right again, the line is too.
    put_away(&home.auth_path());
    home.sign_in(&Login::of(ACCOUNT));
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
}

fn write(home: &Home, bytes: impl AsRef<[u8]>) {
    home.write_auth(bytes);
}

#[test]
fn auth_json_missing() {
    check_login("signed out", "not_signed_in", "auth.json", |home| put_away(&home.auth_path()));
    check_login("signed out", "not_signed_in", "auth.json", |home| {
        put_away(&home.auth_path());
        std::os::unix::fs::symlink("/nowhere/auth.json", home.auth_path()).unwrap();
    });
    check_login("signed out", "not_signed_in", "auth.json", |home| write(home, "{}"));
    check_login("signed out", "not_signed_in", "auth.json", |home| {
        write(home, r#"{"tokens": null}"#)
    });
    check_login("signed out", "not_signed_in", "auth.json", |home| {
        home.sign_in(&Login { access_token: String::new(), ..Login::of(ACCOUNT) });
    });
}

#[test]
fn auth_json_empty_or_half() {
    check_login("login damaged", "auth_invalid", "auth.json: is empty", |home| write(home, ""));
    check_login("login damaged", "auth_invalid", "auth.json: is empty", |home| {
        write(home, " \n\n")
    });
    let whole = Login::of(ACCOUNT).json().to_string();
    let half = &whole[..whole.len() / 2];
    check_login("login damaged", "auth_invalid", "auth.json: is cut short", |home| {
        write(home, half)
    });
}

#[test]
fn auth_json_of_another_shape() {
    for text in [
        "[]",
        "5",
        "null",
        "not json",
        r#"{"tokens": 5}"#,
        r#"{"tokens": {"access_token": ["x"]}}"#,
    ] {
        check_login("login damaged", "auth_invalid", "auth.json", |home| write(home, text));
    }
    let deep = "[".repeat(100_000);
    check_login("login damaged", "auth_invalid", "auth.json", |home| write(home, &deep));
    // A token that would end the header and begin another.
    let split = json!({"tokens": {"access_token": "a\r\nX-Evil: b"}}).to_string();
    check_login("login damaged", "auth_invalid", "auth.json", |home| write(home, &split));
    let account = json!({"tokens": {"access_token": "a", "account_id": "a\nb"}}).to_string();
    check_login("login damaged", "auth_invalid", "auth.json", |home| write(home, &account));
}

#[test]
fn auth_json_not_utf8() {
    let mut bytes = Login::of(ACCOUNT).json().to_string().into_bytes();
    bytes.insert(10, 0xff);
    check_login("login damaged", "auth_invalid", "auth.json: is not UTF-8", |home| {
        write(home, &bytes)
    });
    let wide: Vec<u8> = "\u{feff}{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_login("login damaged", "auth_invalid", "auth.json", |home| write(home, &wide));
}

#[test]
fn auth_json_no_file() {
    check_login("login unreadable", "auth_unreadable", "auth.json", |home| {
        put_away(&home.auth_path());
        std::fs::create_dir(home.auth_path()).unwrap();
    });
    check_login("login unreadable", "auth_unreadable", "auth.json", |home| {
        put_away(&home.auth_path());
        make_fifo(&home.auth_path());
    });
    check_login("login unreadable", "auth_unreadable", "auth.json", |home| {
        put_away(&home.auth_path());
        std::os::unix::fs::symlink("/dev/zero", home.auth_path()).unwrap();
    });
    check_login("login unreadable", "auth_unreadable", "auth.json", |home| {
        put_away(&home.auth_path());
        std::os::unix::fs::symlink("auth.json", home.auth_path()).unwrap();
    });
}

#[test]
fn a_fifo_stays_a_fifo() {
    let (_server, home) = signed_in();
    put_away(&home.auth_path());
    make_fifo(&home.auth_path());
    prints(&home.run(&["--wait", "20s"]), "Codex: login unreadable\n");
    assert!(std::fs::symlink_metadata(home.auth_path()).unwrap().file_type().is_fifo());
}

#[test]
fn auth_json_over_one_mebibyte() {
    let mut login = Login::of(ACCOUNT).json();
    login["padding"] = json!("x".repeat(1 << 20));
    let text = login.to_string();
    check_login("login unreadable", "auth_unreadable", "auth.json", |home| write(home, &text));
    // As large as a file can be. The program must not try to hold it in memory.
    check_login("login unreadable", "auth_unreadable", "auth.json", |home| {
        let file = std::fs::File::create(home.auth_path()).unwrap();
        file.set_len(1 << 40).unwrap();
    });
    // A real file of unusual length is still one.
    let (_server, home) = signed_in();
    login["padding"] = json!("x".repeat(900_000));
    home.write_auth(login.to_string());
    prints(&home.run(&[]), USUAL_LINE);
}

#[test]
fn auth_json_that_may_not_be_read() {
    // Mode bits do not bind root; `a_directory_without_write_permission` has it as another user.
    if is_root() {
        return;
    }
    check_login("login unreadable", "auth_unreadable", "auth.json", |home| {
        set_mode(&home.auth_path(), 0)
    });
}

#[test]
fn auth_json_with_an_api_key_or_another_kind_of_login() {
    let key = Login::api_key("sk-made-up").to_string();
    check_login("API key login", "api_key_login", "auth.json", |home| write(home, &key));
    let old = json!({"OPENAI_API_KEY": "sk-made-up"}).to_string();
    check_login("API key login", "api_key_login", "auth.json", |home| write(home, &old));
    check_login("no plan login", "unsupported_login", "bedrockApiKey", |home| {
        home.sign_in(&Login { mode: Some("bedrockApiKey".into()), ..Login::of(ACCOUNT) });
    });
    check_login("no plan login", "unsupported_login", "auth.json", |home| {
        home.sign_in(&Login { mode: Some("something\nnew".into()), ..Login::of(ACCOUNT) });
    });
    // With an API key beside tokens the mode decides; without a mode the key does.
    let server = Server::usage(usage());
    let both = Login { api_key: Some("sk-made-up".into()), ..Login::of(ACCOUNT) };
    prints(&Home::at(&server, &both).run(&[]), USUAL_LINE);
    prints(&Home::at(&server, &Login { mode: None, ..both }).run(&[]), "Codex: API key login\n");
    prints(&Home::at(&server, &Login { mode: None, ..Login::of(ACCOUNT) }).run(&[]), USUAL_LINE);
}

#[test]
fn an_auth_json_that_is_just_being_rewritten_is_read_again() {
    // Codex up to about 0.14x truncates the file and writes it in place. A half-written file must
    // be whole within 150 ms. The writer here begins when the program has begun, but a busy machine
    // may hold it up, so there are some attempts.
    let server = Server::usage(usage());
    let rewritten_in_time = (0..10).any(|_| {
        let home = Home::new(&server);
        let whole = home.read_auth().to_string();
        std::fs::write(home.auth_path(), &whole[..whole.len() / 3]).unwrap();
        let output = std::thread::scope(|scope| {
            let fetch = scope.spawn(|| home.run(&["fetch"]));
            eventually("its beginning", || fetch.is_finished() || home.cache_directory().exists());
            std::thread::sleep(Duration::from_millis(30));
            std::fs::write(home.auth_path(), &whole).unwrap();
            fetch.join().unwrap()
        });
        output.code == Some(0)
    });
    assert!(rewritten_in_time);
}

#[test]
fn a_symlinked_auth_json_is_followed_and_its_target_s_change_seen() {
    let (server, home) = signed_in();
    let target = home.path().join("dotfiles-auth.json");
    std::fs::rename(home.auth_path(), &target).unwrap();
    std::os::unix::fs::symlink(&target, home.auth_path()).unwrap();
    prints(&home.run(&[]), USUAL_LINE);
    std::fs::write(&target, Login::of("acc-2").json().to_string()).unwrap();
    prints(&home.run(&["--offline"]), "Codex: loading\n");
    assert_eq!(server.total(), 1);
}

#[test]
fn codex_home_missing_or_not_a_directory() {
    let (server, mut home) = signed_in();
    let file = home.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [home.path().join("nowhere"), file] {
        home.set("CODEX_HOME", &path);
        prints(&home.run(&["--wait", "20s"]), "Codex: no home folder\n");
        let output = home.run(&["fetch"]);
        assert_eq!(output.code, Some(1));
        assert!(output.stderr.contains(path.to_str().unwrap()), "{output:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn without_a_home_of_codex_nobody_is_signed_in_from_the_first_run_on() {
    let mut home = Home::signed_out();
    home.unset("CODEX_HOME");
    // What the worker finds is shown by the later runs.
    for _ in 0..3 {
        prints(&home.run(&["--wait", "20s"]), "Codex: signed out\n");
        prints(&home.run(&["--offline"]), "Codex: signed out\n");
        let told = home.run(&["json", "--wait", "20s"]).json();
        let [code, hint] = ["code", "hint"].map(|key| told["error"][key].as_str().unwrap());
        assert_eq!((code, hint), ("not_signed_in", "run codex login"));
        for command in [&["fetch"][..], &["check", "--left", "1%"], &["auth"], &["doctor"]] {
            let output = home.run(command);
            assert_eq!(output.code, Some(1), "{output:?}");
            let text = output.stdout + &output.stderr;
            assert!(text.contains("run codex login") && !text.contains("correct"), "{text}");
        }
        let page = home.run(&["status"]).stdout;
        assert!(page.contains("codex login"), "{page}");
        home.settle();
    }
    assert!(!home.path().join("home/.codex").exists());
}

#[test]
fn codex_home_relative() {
    let (server, mut home) = signed_in();
    // The command runs in `home`, its worker elsewhere.
    home.set("CODEX_HOME", "../codex");
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    prints(&home.run(&["--offline"]), USUAL_LINE);
    assert_eq!(server.total(), 1);
}

#[test]
fn names_with_blanks_quotes_and_bytes_that_are_no_text() {
    use std::os::unix::ffi::OsStringExt as _;
    let (_server, mut home) = signed_in();
    let name = std::ffi::OsString::from_vec(b"it's \"a\" \xff\xfe\n home".to_vec());
    let moved = home.path().join(name);
    std::fs::rename(home.codex_home(), &moved).unwrap();
    home.set("CODEX_HOME", &moved);
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    prints(&home.run(&["--offline"]), USUAL_LINE);
    std::fs::remove_file(moved.join("auth.json")).unwrap();
    let output = home.run(&["fetch"]);
    assert_eq!((output.code, output.stderr.lines().count()), (Some(1), 1), "{output:?}");
}

// --- config.toml ---------------------------------------------------------------------------------

#[test]
fn config_toml_broken() {
    let server = Server::usage(usage());
    let check = |named: &str, prepare: &dyn Fn(&Path)| {
        let home = Home::new(&server);
        let config = home.codex_home().join("config.toml");
        put_away(&config);
        prepare(&config);
        prints(&home.run(&["--wait", "20s"]), "Codex: bad codex config\n");
        let output = home.run(&["fetch"]);
        assert_eq!((output.code, output.stderr.lines().count()), (Some(1), 1), "{output:?}");
        let place = format!("config.toml: {named}");
        assert!(output.stderr.contains(&place), "{place}: {output:?}");
        assert!(!output.stderr.contains("made-up"), "quoted: {output:?}");
        put_away(&config);
        home.write_config(&format!("chatgpt_base_url = '{}'", server.base()));
        home.fill();
    };
    check("line 2", &|path| std::fs::write(path, "a = 1\nkey = sk-made-up\n").unwrap());
    check("line 1", &|path| std::fs::write(path, "chatgpt_base_url = 5").unwrap());
    check("line 1", &|path| std::fs::write(path, "chatgpt_base_url = 'made-up").unwrap());
    check("is not UTF-8", &|path| std::fs::write(path, b"a = '\xff'").unwrap());
    check("", &|path| std::fs::create_dir(path).unwrap());
    check("", &|path| make_fifo(path));
    check("", &|path| std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap());
    assert_eq!(server.total(), 7, "only once it was right again");
}

#[test]
fn config_toml_with_everything_else_in_it() {
    let (server, home) = signed_in();
    home.write_config(&format!(
        "model = \"gpt-6\"\nchatgpt_base_url = \"{}\"\nunknown = [1, {{ a = 2.5 }}]\n[tui]\n\
         x = 1979-05-27\n\
         [mcp_servers.a.env]\nTOKEN = \"made-up\"\n[[hooks]]\nb = true\n",
        server.base()
    ));
    prints(&home.run(&[]), USUAL_LINE);
}

// --- the cache -----------------------------------------------------------------------------------

/// An entry that cannot be used counts as none: the answer is fetched once, printed, stored, and
/// used from then on.
#[track_caller]
fn check_miss(name: &str, spoil: impl Fn(&Home, &Path)) {
    let (server, home) = signed_in();
    home.fill();
    let entry = home.entry_path();
    spoil(&home, &entry);
    let offline = home.run(&["--offline"]);
    assert_eq!(
        (offline.stdout.as_str(), offline.code),
        ("Codex: loading\n", Some(0)),
        "{name}: {offline:?}"
    );
    for _ in 0..2 {
        prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    }
    home.settle();
    assert_eq!(server.total(), 2, "{name}");
    assert!(home.entry().is_some(), "{name}");
}

#[test]
fn a_cache_entry_that_is_of_no_use_is_a_miss() {
    check_miss("absent", |_, path| std::fs::remove_file(path).unwrap());
    check_miss("empty", |_, path| std::fs::write(path, "").unwrap());
    check_miss("garbage", |_, path| std::fs::write(path, b"\x00\xff\xfenonsense").unwrap());
    check_miss("another shape", |_, path| std::fs::write(path, "[1,2]").unwrap());
    check_miss("half", |_, path| {
        let text = std::fs::read(path).unwrap();
        std::fs::write(path, &text[..text.len() / 2]).unwrap();
    });
    check_miss("huge", |_, path| std::fs::write(path, " ".repeat(1 << 20)).unwrap());
    check_miss("sparse", |_, path| std::fs::File::create(path).unwrap().set_len(1 << 40).unwrap());
    check_miss("deep", |_, path| std::fs::write(path, "[".repeat(8000)).unwrap());
    check_miss("foreign", |home, _| {
        home.patch(|entry| entry["home"] = json!("/home/somebody-else/.codex"))
    });
    check_miss("newer schema", |home, _| {
        home.patch(|entry| entry["schema"] = json!(entry["schema"].as_u64().unwrap() + 1));
    });
    check_miss("a much newer schema", |_, path| {
        std::fs::write(path, r#"{"schema": 99, "data": "of another shape"}"#).unwrap();
    });
    check_miss("future-dated", |home, _| {
        home.patch(|entry| entry["answer"]["fetched_at"] = json!(now() + 3600));
    });
    check_miss("dated beyond time", |home, _| {
        home.patch(|entry| entry["answer"]["fetched_at"] = json!(i64::MAX));
    });
    check_miss("another type", |home, _| {
        home.patch(|entry| entry["answer"]["usage"]["windows"] = json!("5h"))
    });
    check_miss("a link to nowhere", |_, path| {
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap();
    });
    check_miss("a FIFO", |_, path| {
        std::fs::remove_file(path).unwrap();
        make_fifo(path);
    });
}

#[test]
fn numbers_in_an_entry_that_make_no_sense_do_no_harm() {
    let (_server, home) = signed_in();
    let check = |change: &dyn Fn(&mut Value)| {
        home.fill();
        home.patch(|entry| change(&mut entry["answer"]["usage"]["windows"][0]));
        for host in ["plain", "tmux", "waybar", "i3blocks", "json"] {
            let output =
                home.run(&[host, "--window", "{label} {used} {left} {bar} {reset} {reset_at}"]);
            assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "{host}: {output:?}");
        }
        home.settle();
    };
    check(&|window| window["used"] = json!(1e300));
    check(&|window| window["used"] = json!(-1e300));
    check(&|window| window["resets_at"] = json!(i64::MAX));
    check(&|window| window["resets_at"] = json!(i64::MIN));
    check(&|window| window["seconds"] = json!(0));
    check(&|window| window["seconds"] = json!(u32::MAX));
}

#[test]
fn a_back_off_that_a_wrong_clock_made_endless_ends() {
    let server = Server::start(|_| Answer::status(500));
    let home = Home::new(&server);
    prints(&home.run(&["--wait", "20s"]), "Codex: outage\n");
    server.always(Answer::json(200, &usage()));
    // Written while the clock was years ahead, read when it is right again.
    home.patch(|entry| {
        entry["failure"]["at"] = json!(now() + 94_608_000);
        entry["failure"]["retry_at"] = json!(now() + 94_608_060);
    });
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
}

/// With a cache that cannot be written nothing is fetched, because every prompt would fetch again.
/// The line says so, and works once the cache is writable.
#[track_caller]
fn check_unwritable(block: impl Fn(&Home), free: impl Fn(&Home)) {
    let (server, home) = signed_in();
    block(&home);
    for _ in 0..3 {
        for host in ["plain", "tmux"] {
            let output = home.run(&[host, "--wait", "5s", "--color", "never"]);
            prints(&output, "Codex: no cache\n");
        }
    }
    let output = home.run(&["fetch"]);
    assert_eq!((output.code, output.stderr.lines().count()), (Some(1), 1), "{output:?}");
    assert!(output.stderr.contains(home.path().join("cache").to_str().unwrap()), "{output:?}");
    assert_eq!(server.connections(), 0);
    free(&home);
    prints(&home.run(&[]), USUAL_LINE);
}

#[test]
fn a_cache_that_cannot_be_written() {
    // A file where the directory should be.
    check_unwritable(
        |home| std::fs::write(home.cache_directory(), "").unwrap(),
        |home| std::fs::remove_file(home.cache_directory()).unwrap(),
    );
    // The same with the directory above.
    check_unwritable(
        |home| {
            std::fs::remove_dir(home.path().join("cache")).unwrap();
            std::fs::write(home.path().join("cache"), "").unwrap();
        },
        |home| std::fs::remove_file(home.path().join("cache")).unwrap(),
    );
    // A dangling link.
    check_unwritable(
        |home| std::os::unix::fs::symlink("/nowhere/at/all", home.cache_directory()).unwrap(),
        |home| std::fs::remove_file(home.cache_directory()).unwrap(),
    );
}

#[test]
fn a_directory_in_the_place_of_the_entry_or_its_lock() {
    // The names are known after an entry was made and removed again.
    let block = |extension: &'static str| {
        move |home: &Home| {
            let other = Server::usage(usage());
            home.write_config(&format!("chatgpt_base_url = '{}'", other.base()));
            home.fill();
            let path = home.entry_path().with_extension(extension);
            std::fs::remove_dir_all(home.cache_directory()).unwrap();
            std::fs::create_dir_all(path.join("with something in it")).unwrap();
        }
    };
    for extension in ["json", "lock"] {
        let (server, home) = signed_in();
        block(extension)(&home);
        home.write_config(&format!("chatgpt_base_url = '{}'", server.base()));
        for _ in 0..3 {
            let output = home.run(&["--wait", "1s"]);
            assert_eq!(
                (output.code, output.stderr.as_str()),
                (Some(0), ""),
                "{extension}: {output:?}"
            );
            assert_eq!(output.stdout, "Codex: no cache\n", "{extension}: {output:?}");
            home.settle();
        }
        let output = home.run(&["fetch"]);
        assert_eq!(
            (output.code, output.stderr.lines().count()),
            (Some(1), 1),
            "{extension}: {output:?}"
        );
        assert!(output.stderr.contains(&format!(".{extension}")), "{output:?}");
        assert_eq!(
            server.connections(),
            0,
            "{extension}: an answer that cannot be kept is not asked for"
        );
        std::fs::remove_dir_all(home.cache_directory()).unwrap();
        prints(&home.run(&[]), USUAL_LINE);
    }
}

#[test]
fn a_cache_that_becomes_unwritable_still_shows_its_numbers() {
    let (server, home) = signed_in();
    home.fill();
    home.age(Duration::from_secs(300));
    let lock = home.entry_path().with_extension("lock");
    put_away(&lock);
    std::fs::create_dir(&lock).unwrap();
    for host in ["starship", "plain"] {
        let output = home.run(&[host, "--color", "never"]);
        assert!(output.stdout.starts_with(USUAL_LINE.trim_end()), "{output:?}");
        assert_eq!(output.code, Some(0));
    }
    let json = home.run(&["json", "--wait", "1s"]).json();
    assert_eq!(
        (&json["windows"][0]["used_percent"], &json["error"]["code"]),
        (&json!(42), &json!("cache_unwritable"))
    );
    assert_eq!(server.total(), 1);
}

#[test]
fn a_directory_without_write_permission() {
    // Root can write everywhere, so the program runs as another user.
    let is_root = is_root();
    if is_root {
        needs!("setpriv");
    }
    let (server, home) = signed_in();
    let program = &home.copy_of_program();
    set_mode(&home.path().join("cache"), 0o555);
    let drop_privileges = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let prefix: &[&str] = if is_root { &drop_privileges } else { &[] };
    if is_root {
        // The other user must be able to read the login, or the line would say that instead.
        set_mode(&home.auth_path(), 0o644);
    }
    let run =
        |arguments: &[&str]| finish(&mut home.wrapped(&[prefix, &[program], arguments].concat()));
    prints(&run(&["--wait", "5s"]), "Codex: no cache\n");
    let output = run(&["fetch"]);
    assert!(output.stderr.contains("permission denied"), "{output:?}");
    assert_eq!(server.connections(), 0);
    if is_root {
        // The same with an auth.json that may not be read.
        set_mode(&home.path().join("cache"), 0o777);
        set_mode(&home.auth_path(), 0o600);
        prints(&run(&["--wait", "5s"]), "Codex: login unreadable\n");
        let output = run(&["fetch"]);
        assert!(
            output.stderr.contains("permission denied") && output.stderr.contains("auth.json"),
            "{output:?}"
        );
        assert_eq!(server.connections(), 0);
    }
}

#[test]
fn a_full_disk_costs_no_request() {
    // A full file system: a request whose answer cannot be kept is not made.
    needs!("mount");
    let (server, home) = signed_in();
    let cache = home.path().join("cache");
    let script = |command: &str| {
        format!(
            "mount -t tmpfs -o size=4k none {0} && head -c 4096 /dev/zero >{0}/full; {1} {command}",
            cache.display(),
            env!("CARGO_BIN_EXE_codexline")
        )
    };
    let run = |command: &str| {
        finish(&mut home.wrapped(&["unshare", "-rm", "sh", "-c", &script(command)]))
    };
    let output = run("fetch");
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("no space left"), "{output:?}");
    let output = run("plain --wait 5s");
    assert_eq!((output.stdout.as_str(), output.code), ("Codex: no cache\n", Some(0)), "{output:?}");
    assert_eq!(server.connections(), 0);
}

// --- the rest ------------------------------------------------------------------------------------

#[test]
fn home_unset() {
    let (_server, mut home) = signed_in();
    home.unset("HOME");
    // All other variables are set, so nothing is missing.
    prints(&home.run(&[]), USUAL_LINE);
    // A user without an entry in the user database has no home at all.
    needs!("root", "setpriv");
    let program = &home.copy_of_program();
    home.unset("CODEX_HOME");
    home.unset("XDG_CACHE_HOME");
    let prefix = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", program];
    let output = finish(&mut home.wrapped(&prefix));
    prints(&output, "Codex: no home folder\n");
    let output = finish(&mut home.wrapped(&[&prefix[..], &["fetch"]].concat()));
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("HOME"), "{output:?}");
}

#[test]
fn clocks_years_off() {
    needs!("faketime");
    let server = Server::usage(usage());
    for shift in ["-20y", "+20y"] {
        let home = Home::new(&server);
        let run = |arguments: &[&str]| {
            let program = ["faketime", "-f", shift, env!("CARGO_BIN_EXE_codexline")];
            finish(&mut home.wrapped(&[&program, arguments].concat()))
        };
        prints(&run(&[]), USUAL_LINE);
        prints(&run(&["--offline"]), USUAL_LINE);
        // Then the clock is right again.
        prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    }
}

#[test]
fn entries_from_before_and_after_a_clock_was_set_right() {
    // What a machine with a wrong clock leaves behind. The clock is right here; the times in the
    // entry are moved instead.
    let server = Server::usage(usage());
    let years = Duration::from_secs(10 * 31_536_000);
    let home = Home::new(&server);
    home.fill();
    home.age(years);
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    home.patch(|entry| {
        let usage = &mut entry["answer"]["usage"];
        for window in usage["windows"].as_array_mut().unwrap() {
            window["resets_at"] =
                json!(window["resets_at"].as_i64().unwrap() + years.as_secs() as i64);
        }
        entry["answer"]["fetched_at"] = json!(now() + years.as_secs() as i64);
    });
    prints(&home.run(&["--wait", "20s"]), USUAL_LINE);
    assert_eq!(server.count(USAGE), 3);
}
