//! The snippets for hosts that cannot run here have the form that the host reads, and start
//! codexline as it is.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan};
use crate::support::hosts::{Stage, quoted, until};

/// The path of a file of `integrations/`.
fn path(name: &str) -> String {
    format!("{}/integrations/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    let path = path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn they_have_the_form_that_their_host_reads() {
    let layout = read("zjstatus/layout.kdl");
    for line in layout.lines().filter(|line| !line.starts_with("//")) {
        let (key, value) = line.split_once(' ').expect("a key and a value");
        assert!(key.starts_with("command_codexline_") && value.trim().starts_with('"'), "{line}");
    }
}

#[test]
fn every_folder_has_a_readme_and_a_snippet_and_every_picture_is_small() {
    let folders = std::fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().path());
    for folder in folders.filter(|path| path.is_dir()) {
        let files: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
        let has = |name: &str| files.iter().any(|file| file.file_name() == name);
        assert!(has("README.md"), "{}", folder.display());
        assert!(files.len() >= 2, "{}: no snippet", folder.display());
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        assert_eq!(readme.contains("](picture.png)"), has("picture.png"), "{}", folder.display());
        for file in &files {
            assert!(file.metadata().unwrap().len() < 60_000, "{}", file.path().display());
            // The files that a README links to exist.
            let name = file.file_name().into_string().unwrap();
            assert!(
                name == "README.md" || readme.contains(&format!("({name})")),
                "{name} in {}",
                folder.display()
            );
        }
    }
}

#[test]
fn the_swiftbar_plugin_runs() {
    let scene = Scene::warm(Stage::new(), plan("a | b"));
    let mut command = scene.stage.command("sh");
    let ran = scene.stage.run(command.arg(path("swiftbar/codexline.1m.sh")));
    let first = ran.stdout.lines().next().unwrap_or_default();
    assert!(first.starts_with(LINE), "{ran:?}");
    assert!(ran.stdout.lines().any(|line| line == "---"), "{ran:?}");
}

/// The stand-in writes down each of its arguments.
#[test]
fn the_sketchybar_snippets_run() {
    let scene = Scene::warm(Stage::new(), plan("plus"));
    let log = scene.stage.path("sketchybar.log");
    let stand_in = format!("printf '[%s]' \"$@\" >>{}", quoted(&log));
    scene.stage.script("bin/sketchybar", &stand_in);
    let run = |file: &str| {
        let mut command = scene.stage.command("sh");
        let ran = scene.stage.run(command.arg(path(file)).env("NAME", "codexline"));
        assert!(ran.success && ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran:?}");
        let text = std::fs::read_to_string(&log).unwrap();
        std::fs::remove_file(&log).unwrap();
        text
    };
    assert_eq!(run("sketchybar/codexline.sh"), format!("[--set][codexline][label={LINE}]"));
    let item = run("sketchybar/sketchybarrc");
    assert!(item.contains("/plugins/codexline.sh][--subscribe][codexline][codexline_fetched]"));
    // The event is there before an item subscribes to it, and the hook of the README raises it.
    assert!(item.starts_with("[--add][event][codexline_fetched][--add][item][codexline]"));
    assert!(read("sketchybar/README.md").contains("--trigger codexline_fetched"));
}

/// What powerlevel10k does with a segment, as far as it matters here, according to `p10k help
/// segment`: the text "will undergo prompt expansion", but parameters and commands in it only with
/// `-e`. The colour is looked up by the state.
const POWERLEVEL10K: &str = r#"
function p10k() {
  [[ $# == 5 && $1 == segment && $2 == -s && $4 == -t ]] || return
  local colour=POWERLEVEL9K_CODEXLINE_${3}_FOREGROUND
  print -P -- "$3 ${(P)colour}: $5"
}
"#;

/// What the segment shows, without colours.
fn powerlevel10k(scene: &Scene, arguments: &str) -> String {
    let stand_in = scene.stage.write("p10k-stand-in.zsh", POWERLEVEL10K);
    let text = read("powerlevel10k/p10k.zsh");
    let changed =
        text.replace("codexline powerlevel10k", &format!("codexline powerlevel10k {arguments}"));
    assert!(changed.contains(arguments), "the snippet has another form");
    let snippet = scene.stage.write("p10k.zsh", &changed);
    let mut command = scene.stage.command("zsh");
    let script =
        format!("source {}; source {}; prompt_codexline", quoted(stand_in), quoted(snippet));
    let ran = scene.stage.run(command.args(["-f", "-c", &script]));
    let mut text = ran.stdout.clone();
    while let Some(start) = text.find("\x1b[") {
        let end = start + text[start..].find('m').expect("a colour's end");
        text.replace_range(start..=end, "");
    }
    assert_eq!(ran.stderr, "", "{ran:?}");
    text.trim_end().to_owned()
}

#[test]
fn the_powerlevel10k_segment_is_text_for_a_prompt() {
    needs!("zsh");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    assert_eq!(powerlevel10k(&scene, ""), format!("OK green: {LINE}"));
    assert_eq!(
        powerlevel10k(&scene, "--format '{plan} {windows}' --warn 40"),
        format!("WARNING yellow: {HOSTILE} {WINDOWS}")
    );
    assert!(!scene.was_tricked());
    let signed_out = Scene::signed_out(Stage::new());
    // The first prompt may come before the worker has found out.
    until("the word", || {
        (powerlevel10k(&signed_out, "") == "UNKNOWN 8: Codex: signed out").then_some(())
    });
    let (hanging, _gate) = Scene::hanging(Stage::new());
    for _ in 0..3 {
        assert_eq!(powerlevel10k(&hanging, ""), "UNKNOWN 8: Codex: loading");
    }
}
