//! The README says what the program says.

use std::process::Command;

const README: &str = include_str!("../../README.md");

/// What stands between `<!-- name -->` and `<!-- /name -->`.
fn part(name: &str) -> &'static str {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let part = README.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    part.unwrap_or_else(|| panic!("the README has no part {name:?}")).0
}

fn output(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_codexline")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_help_is_the_programs() {
    let expected = format!("\n```text\n{}\n```\n", output(&["--help"]).trim_end());
    assert_eq!(part("help"), expected, "put this into the README:\n{expected}");
}

#[test]
fn every_key_of_json_is_described() {
    let demo = output(&["demo"]);
    let line = demo.lines().find(|line| line.contains("\"windows\"")).unwrap();
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    let described = part("json keys");
    for key in object.as_object().unwrap().keys() {
        assert!(described.contains(&format!("| `{key}")), "{key} is not described");
    }
    for window in object["windows"].as_array().unwrap() {
        for key in window.as_object().unwrap().keys() {
            assert!(described.contains(&format!("`{key}`")), "{key} is not described");
        }
    }
}
