//! The rules of the rooms, held by reading the sources: which folder of `src` may use which, and
//! what only one of them may do. The map at the head of `src/lib.rs` names the rooms from the top
//! down.
//!
//! A use is a path in the code (`crate::model::time::Timestamp`, `super::fork`), in a `use` or not.
//! Comments, strings and what is built only for tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One file of `src`.
struct Source {
    /// Below `src`, as `codex/home.rs`.
    file: String,
    /// As in a path: `["codex", "home"]`.
    module: Vec<String>,
    /// What is compiled into the program: no comments, no strings, no tests.
    tokens: Vec<String>,
}

impl Source {
    /// The folder of `src`, or the file at its top, that this belongs to.
    fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    fn has(&self, words: &[&str]) -> bool {
        self.tokens.windows(words.len()).any(|window| window == words)
    }

    /// Whether this names the path `a::b`.
    fn names(&self, path: &str) -> bool {
        let mut words = Vec::new();
        for word in path.split("::") {
            words.extend([word, ":", ":"]);
        }
        self.has(&words[..words.len() - 2])
    }
}

/// Every file of `src`, and for each the files that it uses.
struct House {
    sources: Vec<Source>,
    uses: BTreeMap<String, BTreeSet<String>>,
    /// The map in `src/lib.rs`, from the top down.
    rooms: Vec<String>,
}

impl House {
    fn read() -> House {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        let sources: Vec<Source> = files.into_iter().map(|file| source(&root, file)).collect();
        let modules: BTreeMap<&[String], &str> =
            sources.iter().map(|source| (&source.module[..], &source.file[..])).collect();
        let uses = sources
            .iter()
            .map(|source| {
                let paths = paths(source, &modules);
                let files = paths.iter().filter_map(|path| {
                    (1..=path.len()).rev().find_map(|length| modules.get(&path[..length]))
                });
                let files = files.map(|file| (*file).to_owned());
                (source.file.clone(), files.filter(|file| *file != source.file).collect())
            })
            .collect();
        let map = std::fs::read_to_string(root.join("lib.rs")).unwrap();
        let rooms = map
            .lines()
            .filter_map(|line| Some(line.strip_prefix("//! * [`")?.split_once("`]: ")?.0))
            .map(str::to_owned)
            .collect();
        House { sources, uses, rooms }
    }

    fn room(&self, file: &str) -> &str {
        self.sources.iter().find(|source| source.file == file).expect("a file of src").room()
    }

    /// Each use of one file by another: `(from, to)`.
    fn arrows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.uses.iter().flat_map(|(from, to)| to.iter().map(|to| (&from[..], &to[..])))
    }

    /// The uses that `is_wrong` finds, each as `from uses to`.
    fn wrong(&self, is_wrong: impl Fn(&str, &str) -> bool) -> Vec<String> {
        self.arrows()
            .filter(|(from, to)| is_wrong(self.room(from), self.room(to)))
            .map(|(from, to)| format!("{from} uses {to}"))
            .collect()
    }

    /// The files for which `is_wrong` holds.
    fn files(&self, is_wrong: impl Fn(&Source) -> bool) -> Vec<&str> {
        let wrong = self.sources.iter().filter(|source| is_wrong(source));
        wrong.map(|source| &source.file[..]).collect()
    }
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    files.sort();
}

fn source(root: &Path, file: String) -> Source {
    let text = std::fs::read_to_string(root.join(&file)).unwrap();
    let name = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let module = match name {
        "lib" => Vec::new(),
        name => name.split('/').map(str::to_owned).collect(),
    };
    Source { module, tokens: without_tests(tokens(&text)), file }
}

/// The words and signs of Rust code; a string or a character is `""`, a comment nothing.
fn tokens(text: &str) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&letter) = text.get(at) {
        let rest = &text[at..];
        let until = |end: &str| {
            let end: Vec<char> = end.chars().collect();
            rest.windows(end.len()).position(|window| window == end).unwrap_or(rest.len())
        };
        let raw = {
            let start = usize::from(letter == 'b');
            let hashes = rest[start..].iter().skip(1).take_while(|letter| **letter == '#').count();
            let quote = rest.get(start + 1 + hashes) == Some(&'"');
            (rest.get(start) == Some(&'r') && quote).then_some((start + 2 + hashes, hashes))
        };
        if rest.starts_with(&['/', '/']) {
            at += until("\n");
        } else if rest.starts_with(&['/', '*']) {
            at += until("*/") + 2;
        } else if let Some((start, hashes)) = raw {
            let end: Vec<char> = format!("\"{}", "#".repeat(hashes)).chars().collect();
            let body = &rest[start..];
            let length = body.windows(end.len()).position(|window| window == end).unwrap();
            at += start + length + end.len();
            tokens.push("\"\"".into());
        } else if letter == '"' {
            let mut length = 1;
            while rest[length] != '"' {
                length += if rest[length] == '\\' { 2 } else { 1 };
            }
            at += length + 1;
            tokens.push("\"\"".into());
        } else if rest.starts_with(&['\'', '\\']) {
            at += 3 + rest[3..].iter().position(|letter| *letter == '\'').unwrap();
            tokens.push("\"\"".into());
        } else if letter == '\'' && rest.get(2) == Some(&'\'') {
            at += 3;
            tokens.push("\"\"".into());
        } else if is_word(letter) {
            let word: String = rest.iter().take_while(|letter| is_word(**letter)).collect();
            at += word.chars().count();
            tokens.push(word);
        } else {
            if !letter.is_whitespace() {
                tokens.push(letter.into());
            }
            at += 1;
        }
    }
    tokens
}

/// Without what is marked `#[cfg(test)]` or the like.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    let mut attribute = String::new();
    while let Some(token) = rest.next() {
        if token != "#" || rest.peek().is_none_or(|next| next != "[") {
            kept.push(token);
            continue;
        }
        attribute.clear();
        let mut depth = 0;
        for token in rest.by_ref() {
            attribute.push_str(&token);
            depth += i32::from(token == "[") - i32::from(token == "]");
            if depth == 0 {
                break;
            }
        }
        if attribute != "[cfg(test)]" && !attribute.starts_with("[cfg(all(test,") {
            continue;
        }
        // The item goes to its first semicolon, or to the end of its first block.
        let mut depth = 0;
        for token in rest.by_ref() {
            depth += i32::from(token == "{") - i32::from(token == "}");
            if depth == 0 && (token == ";" || token == "}") {
                break;
            }
        }
    }
    kept
}

/// Every path in the code that begins in this crate, from its root.
fn paths(source: &Source, modules: &BTreeMap<&[String], &str>) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for at in 0..source.tokens.len() {
        let is_inner = at >= 2 && source.tokens[at - 1] == ":" && source.tokens[at - 2] == ":";
        let rest = &source.tokens[at..];
        if is_inner || !(rest.len() > 3 && rest[1] == ":" && rest[2] == ":") {
            continue;
        }
        let child = [&source.module[..], &rest[..1]].concat();
        let (base, skip) = match rest[0].as_str() {
            "crate" | "codexline" => (Vec::new(), 3),
            "self" => (source.module.clone(), 3),
            "super" => (source.module[..source.module.len().saturating_sub(1)].to_vec(), 3),
            _ if modules.contains_key(&child[..]) => (source.module.clone(), 0),
            _ => continue,
        };
        tree(&rest[skip..], base, &mut paths);
    }
    paths
}

/// Adds the paths of a tree as in `use base::{a, b::{c, d}}`; answers how many tokens it has.
fn tree(tokens: &[String], mut base: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let mut at = 0;
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens[at] != "}" {
                    at += tree(&tokens[at..], base.clone(), paths);
                    // `as name` and the comma.
                    while tokens[at] != "," && tokens[at] != "}" {
                        at += 1;
                    }
                    at += usize::from(tokens[at] == ",");
                }
                return at + 1;
            }
            Some("super") => drop(base.pop()),
            Some("self") => {}
            Some(word) => base.push(word.to_owned()),
            None => break,
        }
        at += 1;
        if !tokens[at..].starts_with(&[":".to_owned(), ":".to_owned()]) {
            break;
        }
        at += 2;
    }
    paths.push(base);
    at
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_reader_of_the_sources_finds_every_use() {
    let code = r##"
        // crate::comment::a
        use crate::one::{self, two, three::{Four as Other, five}};
        fn f<'a>(x: &'a str) -> char { let _ = "crate::string::b"; crate::six::call(x); '{' }
        const RAW: &str = r#"crate::raw::c "# ;
        use super::seven;
        #[cfg(test)]
        mod tests { use crate::test::d; fn f() { if true {} } }
        #[cfg(unix)]
        fn g() { eight::h() }
    "##;
    let words = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let source = Source {
        file: "room/mod.rs".into(),
        module: words("room"),
        tokens: without_tests(tokens(code)),
    };
    let eight = words("room::eight");
    let found = paths(&source, &BTreeMap::from([(&eight[..], "room/eight.rs")]));
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    let wanted = "one one::two one::three::Four one::three::five six::call seven room::eight::h";
    assert_eq!(found.join(" "), wanted);
}

#[test]
fn every_room_is_on_the_map_and_uses_only_rooms_below_it() {
    let house = House::read();
    let rooms: BTreeSet<&str> = house.sources.iter().map(Source::room).collect();
    let mapped: BTreeSet<&str> = house.rooms.iter().map(String::as_str).collect();
    assert_eq!(&rooms - &mapped, BTreeSet::from(["lib", "main"]), "src/lib.rs names every room");
    assert_eq!(&mapped - &rooms, BTreeSet::new());
    let floor = |room: &str| house.rooms.iter().position(|name| name == room);
    let upwards = house.wrong(|from, to| from != to && floor(from) >= floor(to) && from != "main");
    assert_eq!(upwards, NOTHING);
    // Enough is read for this to mean something.
    assert!(house.arrows().count() > 200);
}

#[test]
fn model_render_and_hosts_know_no_clock_file_environment_or_network() {
    let house = House::read();
    assert_eq!(house.wrong(|from, to| from == "model" && to != "model"), NOTHING);
    let below = ["render", "model"];
    assert_eq!(house.wrong(|from, to| from == "render" && !below.contains(&to)), NOTHING);
    let hosts = ["hosts", "render", "model"];
    assert_eq!(house.wrong(|from, to| from == "hosts" && !hosts.contains(&to)), NOTHING);
    let effects = house.files(|source| {
        let outside = ["env", "fs", "net", "process", "thread"].map(|name| format!("std::{name}"));
        hosts.contains(&source.room())
            && (outside.iter().any(|path| source.names(path))
                || source.names("SystemTime::now")
                || source.names("Instant::now")
                || source.has(&["unsafe"]))
    });
    assert_eq!(effects, NOTHING);
}

#[test]
fn what_a_prompt_runs_knows_no_source_no_refresh_and_no_network() {
    let house = House::read();
    let mut reached: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut open: Vec<Vec<&str>> =
        house.files(|source| source.room() == "line").into_iter().map(|file| vec![file]).collect();
    while let Some(way) = open.pop() {
        let file = *way.last().unwrap();
        if reached.contains_key(file) {
            continue;
        }
        open.extend(house.uses[file].iter().map(|next| [&way[..], &[next]].concat()));
        reached.insert(file, way);
    }
    assert!(reached.len() > 20, "{reached:?}");
    let forbidden: Vec<String> = reached
        .iter()
        .filter(|(file, _)| {
            let room = house.room(file);
            let files = ["io/http", "io/certificates.rs", "background/fetch.rs"];
            ["sources", "refresh", "cli", "commands"].contains(&room)
                || files.iter().any(|name| file.starts_with(name))
        })
        .map(|(_, way)| way.join(" → "))
        .collect();
    assert_eq!(forbidden, NOTHING);
}

#[test]
fn only_refresh_writes_auth_json() {
    let house = House::read();
    let writes = |source: &Source| {
        let functions = ["write", "rename", "copy", "remove_file", "hard_link", "set_permissions"];
        functions.iter().any(|name| source.names(&format!("fs::{name}")))
            || ["create", "create_new", "options"]
                .iter()
                .any(|name| source.names(&format!("File::{name}")))
            || ["OpenOptions", "Replacement", "set_len"].iter().any(|name| source.has(&[name]))
    };
    // Whoever else can write knows only places of codexline's own.
    let rooms = ["io", "refresh"];
    let elsewhere = house.files(|source| !rooms.contains(&source.room()) && writes(source));
    let known = ["activity/store.rs", "background/job.rs", "cache.rs", "line/clicks.rs"];
    assert_eq!(elsewhere, known);
    let knows = |file: &str| {
        let source = house.sources.iter().find(|source| source.file == file).unwrap();
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        let text = std::fs::read_to_string(text).unwrap();
        source.has(&["auth_json"]) || text.contains("\"auth.json")
    };
    let io = house.files(|source| source.room() == "io");
    let both: Vec<&str> = elsewhere.into_iter().chain(io).filter(|file| knows(file)).collect();
    assert_eq!(both, NOTHING);
}

#[test]
fn each_of_these_is_used_in_one_place() {
    let house = House::read();
    let clap = ["clap", "clap_complete", "clap_complete_nushell", "clap_mangen"];
    let parsers = house.files(|source| {
        source.room() != "cli" && clap.iter().any(|name| source.has(&[name, ":", ":"]))
    });
    assert_eq!(parsers, NOTHING);
    let network = ["io/http", "io/certificates.rs"];
    let clients = house.files(|source| {
        !network.iter().any(|name| source.file.starts_with(name))
            && ["ureq", "rustls"].iter().any(|name| source.has(&[name, ":", ":"]))
    });
    assert_eq!(clients, NOTHING);
    assert_eq!(house.files(|source| source.room() != "io" && source.has(&["unsafe"])), NOTHING);
}

#[test]
fn a_type_name_stands_once() {
    let house = House::read();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in &house.sources {
        for pair in source.tokens.windows(2) {
            if ["struct", "enum", "trait", "union"].contains(&&pair[0][..]) {
                places.entry(&pair[1]).or_default().push(&source.file);
            }
        }
    }
    // What differs by system stands once for each of them.
    places.retain(|_, files| {
        files.retain(|file| !file.contains("windows"));
        files.len() > 1
    });
    assert_eq!(places, BTreeMap::new());
}
