//! The snippets for hosts that cannot be run here: they have the form that the host reads, and start codexline as it is.

use super::{LINE, Scene, plan};
use crate::support::hosts::{Stage, installed, quoted};
use crate::support::usage;
use std::path::Path;

/// Where a file of `integrations/` lies.
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
        let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
        let has = |name: &str| files.iter().any(|file| file.file_name() == name);
        assert!(has("README.md"), "{}", folder.display());
        assert!(files.len() >= 2, "{}: no snippet", folder.display());
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
        assert_eq!(readme.contains("](picture.png)"), has("picture.png"), "{}", folder.display());
        for file in &files {
            assert!(file.metadata().unwrap().len() < 60_000, "{}", file.path().display());
            // What a README links to is there.
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

#[test]
fn the_powerlevel10k_segment_is_text_for_a_prompt() {
    if !installed(&["zsh"]) {
        return;
    }
    let scene = Scene::warm(Stage::new(), usage());
    // What powerlevel10k does with a segment's text, in as far as it concerns us: it expands it as a prompt.
    let script = scene.stage.write(
        "p10k-stand-in.zsh",
        "function p10k() { [[ $1 == segment && $2 == -s && $3 == OK && $4 == -t ]] && print -P -- \"$5\" }\n",
    );
    let snippet = path("powerlevel10k/p10k.zsh");
    assert!(Path::new(&snippet).exists());
    let mut command = scene.stage.command("zsh");
    command.args(["-f", "-c"]).arg(format!(
        "source {}; source {}; prompt_codexline",
        quoted(script),
        quoted(&snippet)
    ));
    let ran = scene.stage.run(&mut command);
    let mut text = ran.stdout.clone();
    while let Some(start) = text.find("\x1b[") {
        let end = start + text[start..].find('m').expect("a colour's end");
        text.replace_range(start..=end, "");
    }
    assert_eq!(text.trim_end(), LINE, "{ran:?}");
}
