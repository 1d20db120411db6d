//! How a snippet names the program: as `codexline`, or by its path, written as the host's
//! configuration and its shell need it.

use super::snippets::{INTEGRATIONS, Integration, Snippet};
use crate::hosts;
use crate::io::env::Env;
use std::path::PathBuf;

/// What this host's snippets call the program; `None` for `codexline`.
pub(super) fn program_for(integration: &Integration, env: &Env) -> Option<String> {
    let running = std::env::current_exe().ok().filter(|path| path.exists());
    let found = on_path(&format!("codexline{}", std::env::consts::EXE_SUFFIX), env);
    let path = match (found, integration.needs_path) {
        (Some(_), false) => return None,
        // A link on PATH still leads to the program after an update; what it leads to may be gone.
        (Some(found), true) => match (&running, found.canonicalize()) {
            (Some(running), Ok(target)) if *running != target => running.clone(),
            _ => found,
        },
        (None, _) => running?,
    };
    path.to_str().map(str::to_string)
}

/// Where a program of this name is.
pub(super) fn on_path(name: &str, env: &Env) -> Option<PathBuf> {
    let path = env.variable("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|directory| directory.join(name));
    found.find(|path| path.is_absolute() && path.is_file())
}

const NAME: &str = "codexline";

impl Snippet {
    /// The text, with a program in place of `codexline` in its commands.
    pub(super) fn with(&self, program: Option<&str>) -> String {
        let Some(program) = program.map(|program| self.reader.write(program)) else {
            return self.text.to_string();
        };
        let mut out = String::with_capacity(self.text.len() + 64);
        let mut rest = self.text;
        while let Some(at) = rest.find(NAME) {
            let (before, behind) = (&rest[..at], &rest[at + NAME.len()..]);
            out.push_str(before);
            out.push_str(if is_command(before, behind) { &program } else { NAME });
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}

/// Whether what stands between these is the program and not a name of something: `codexline HOST`,
/// `codexline fetch`, or alone in brackets and quotes.
fn is_command(before: &str, behind: &str) -> bool {
    if before.ends_with("[\"") {
        return behind.starts_with('"');
    }
    let is_word =
        |character: char| character.is_ascii_alphanumeric() || "_-./@".contains(character);
    let Some(argument) = behind.strip_prefix(' ') else { return false };
    let argument = argument.split(|character| !is_word(character)).next().unwrap_or_default();
    let is_known = argument == "fetch"
        || hosts::find(argument).is_some()
        || INTEGRATIONS.iter().any(|integration| integration.name == argument);
    is_known && !before.ends_with(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str = "/home/some one/a\"b$c&d/codexline";

    fn snippet(name: &str, file: &str) -> &'static Snippet {
        let integration = INTEGRATIONS.iter().find(|integration| integration.name == name).unwrap();
        integration.snippets.iter().find(|snippet| snippet.file == file).unwrap()
    }

    #[test]
    fn without_a_program_the_text_is_the_files_own() {
        for integration in INTEGRATIONS {
            for snippet in integration.snippets {
                assert_eq!(snippet.with(None), snippet.text);
                assert!(snippet.text.ends_with('\n') && !snippet.place.is_empty());
            }
        }
    }

    #[test]
    fn a_path_takes_the_place_of_every_command_and_of_nothing_else() {
        let text = snippet("starship", "starship.toml").with(Some(ODD));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["custom"]["codexline"]["shell"][0].as_str(), Some(ODD), "{text}");
        let text = snippet("claude-code", "settings.json").with(Some(ODD));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let command = r#"/home/some\ one/a\"b\$c\&d/codexline claude-code"#;
        assert_eq!(value["statusLine"]["command"], command, "{text}");
        let text = snippet("i3blocks", "i3blocks.conf").with(Some("/opt/x/codexline"));
        assert!(text.contains("\n[codexline]\ncommand=exec /opt/x/codexline i3blocks\n"), "{text}");
        let text = snippet("tmux", "tmux.conf").with(Some("/opt/100%/codexline"));
        assert!(text.contains("' #(exec /opt/100%%/codexline tmux) '"), "{text}");
        assert!(text.contains("{m:*codexline*tmux*,"), "{text}");
        let text = snippet("zsh", "codexline.zsh").with(Some("/opt/x/codexline"));
        assert!(text.contains("< <(/opt/x/codexline zsh --ttl)"), "{text}");
        assert!(text.contains("== *__codexline_line*"), "{text}");
        let text = snippet("waybar", "config.jsonc").with(Some("/opt/x/codexline"));
        assert!(
            text.contains("\"custom/codexline\": {")
                && text.contains("\"exec /opt/x/codexline waybar\"")
        );
        assert!(text.contains("\"/opt/x/codexline fetch; pkill"), "{text}");
        for integration in INTEGRATIONS {
            for snippet in
                integration.snippets.iter().filter(|snippet| !snippet.file.ends_with(".css"))
            {
                let text = snippet.with(Some("/x/y"));
                // These start nothing themselves.
                let is_silent = ["sway.conf", "env.toml", "sketchybarrc"].contains(&snippet.file);
                assert!(text.contains("/x/y") != is_silent, "{}: {text}", integration.name);
                let comments = |text: &str| text.lines().next().map(str::to_string);
                if !snippet.file.ends_with(".json") {
                    assert_eq!(comments(&text), comments(snippet.text));
                }
            }
        }
    }
}
