//! `codexline init`: the snippets of `integrations/`, embedded, ready to be pasted.
//!
//! They say `codexline`, for it should be on PATH. Where it is not, the running program's path takes its place, written as
//! the host's configuration and its shell need it.

use crate::hosts;
use crate::io::env::Env;
use crate::model::error::Error;
use crate::model::text::{nearest, plain};
use std::fmt::Write;

/// A program that codexline can be shown in.
pub struct Integration {
    /// The folder in `integrations/`.
    pub name: &'static str,
    pub snippets: &'static [Snippet],
}

/// A file of it.
pub struct Snippet {
    pub file: &'static str,
    pub text: &'static str,
    /// Where it belongs.
    pub place: &'static str,
    /// Printed only if it is named.
    is_extra: bool,
    /// What a path in it goes through before it is run.
    reader: Reader,
}

/// Who reads a command in a snippet.
#[derive(Clone, Copy)]
enum Reader {
    /// A shell.
    Shell,
    /// A string with backslashes in it, then a shell.
    StringThenShell,
    /// A string with backslashes in it.
    String,
    /// tmux's formats and strftime, then a shell.
    Tmux,
    /// A shell's string in "…", then what reads it in tmux.
    StringThenTmux,
}

macro_rules! snippet {
    ($name:literal, $file:literal, $place:literal, $reader:ident) => {
        snippet!($name, $file, $place, $reader, false)
    };
    ($name:literal, $file:literal, $place:literal, $reader:ident, $is_extra:literal) => {
        Snippet {
            file: $file,
            text: include_str!(concat!("../../integrations/", $name, "/", $file)),
            place: $place,
            is_extra: $is_extra,
            reader: Reader::$reader,
        }
    };
}

const I3BLOCKS: Snippet = snippet!("i3blocks", "i3blocks.conf", "~/.config/i3blocks/config", Shell);

pub const INTEGRATIONS: &[Integration] = &[
    Integration {
        name: "starship",
        snippets: &[snippet!("starship", "starship.toml", "~/.config/starship.toml", String)],
    },
    Integration {
        name: "tmux",
        snippets: &[
            snippet!("tmux", "tmux.conf", "~/.tmux.conf", Tmux),
            snippet!(
                "tmux",
                "codexline.tmux",
                "a file of its own, for run-shell",
                StringThenTmux,
                true
            ),
        ],
    },
    Integration {
        name: "waybar",
        snippets: &[
            snippet!("waybar", "config.jsonc", "~/.config/waybar/config", StringThenShell),
            snippet!("waybar", "style.css", "~/.config/waybar/style.css", Shell),
        ],
    },
    Integration { name: "i3blocks", snippets: &[I3BLOCKS] },
    Integration {
        name: "swaybar",
        snippets: &[snippet!("swaybar", "sway.conf", "~/.config/sway/config", Shell), I3BLOCKS],
    },
    Integration {
        name: "i3status-rust",
        snippets: &[snippet!(
            "i3status-rust",
            "config.toml",
            "~/.config/i3status-rust/config.toml",
            StringThenShell
        )],
    },
    Integration {
        name: "polybar",
        snippets: &[snippet!("polybar", "config.ini", "~/.config/polybar/config.ini", Shell)],
    },
    Integration { name: "zsh", snippets: &[snippet!("zsh", "codexline.zsh", "~/.zshrc", Shell)] },
    Integration {
        name: "powerlevel10k",
        snippets: &[snippet!("powerlevel10k", "p10k.zsh", "~/.p10k.zsh", Shell)],
    },
    Integration {
        name: "fish",
        snippets: &[snippet!(
            "fish",
            "codexline.fish",
            "~/.config/fish/functions/fish_right_prompt.fish",
            Shell
        )],
    },
    Integration {
        name: "claude-code",
        snippets: &[snippet!(
            "claude-code",
            "settings.json",
            "~/.claude/settings.json",
            StringThenShell
        )],
    },
    Integration {
        name: "swiftbar",
        snippets: &[snippet!(
            "swiftbar",
            "codexline.1m.sh",
            "the plugin folder, as an executable",
            Shell
        )],
    },
    Integration {
        name: "zjstatus",
        snippets: &[snippet!(
            "zjstatus",
            "layout.kdl",
            "the plugin's block in your layout",
            StringThenShell
        )],
    },
];

/// What to paste for a host, or one file of it.
///
/// # Errors
/// [`Error::Usage`] with the nearest name.
pub fn init(name: &str, file: Option<&str>, env: &Env) -> Result<String, Error> {
    let program = program(env);
    let unknown = |what: &str, name: &str, near: &str| {
        Error::Usage(format!("unknown {what} '{}'; did you mean {near}?", plain(name, 60)))
    };
    let Some(integration) = INTEGRATIONS.iter().find(|integration| integration.name == name) else {
        let near = nearest(name, INTEGRATIONS.iter().map(|integration| integration.name));
        return Err(unknown("host", name, near));
    };
    let Some(file) = file else {
        let texts = integration.snippets.iter().filter(|snippet| !snippet.is_extra);
        return Ok(texts
            .map(|snippet| snippet.with(program.as_deref()))
            .collect::<Vec<_>>()
            .join("\n"));
    };
    match integration.snippets.iter().find(|snippet| snippet.file == file) {
        Some(snippet) => Ok(snippet.with(program.as_deref())),
        None => Err(unknown(
            "file",
            file,
            nearest(file, integration.snippets.iter().map(|snippet| snippet.file)),
        )),
    }
}

/// `codexline init --list`: host, file, and where it belongs.
pub fn list() -> String {
    let mut out = String::new();
    for integration in INTEGRATIONS {
        for snippet in integration.snippets {
            let _ = writeln!(out, "{:14} {:16} {}", integration.name, snippet.file, snippet.place);
        }
    }
    out
}

/// The path to write in place of `codexline`; `None` where that is on PATH.
fn program(env: &Env) -> Option<String> {
    let path = env.variable("PATH").unwrap_or_default();
    let name = format!("codexline{}", std::env::consts::EXE_SUFFIX);
    if std::env::split_paths(&path).any(|directory| directory.join(&name).is_file()) {
        return None;
    }
    let path = std::env::current_exe().ok()?;
    path.to_str().filter(|_| path.exists()).map(str::to_string)
}

impl Snippet {
    /// The text, with a program in place of `codexline` in its commands.
    fn with(&self, program: Option<&str>) -> String {
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

const NAME: &str = "codexline";

/// Whether what stands between these is the program and not a name of something: `codexline HOST`, `codexline fetch`, or
/// alone in brackets and quotes.
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

impl Reader {
    /// A path so that it comes out as it is.
    fn write(self, path: &str) -> String {
        let escaped = |text: &str, special: &dyn Fn(char) -> bool| {
            let mut out = String::new();
            for character in text.chars() {
                if special(character) {
                    out.push('\\');
                }
                out.push(character);
            }
            out
        };
        let for_shell = |text: &str| {
            escaped(text, &|character| {
                !(character.is_alphanumeric() || "/._-+:@%,".contains(character))
            })
        };
        let for_string = |text: &str| escaped(text, &|character| matches!(character, '"' | '\\'));
        // In a file of tmux the command stands in '…', so nothing else is special.
        let for_tmux = |text: &str| for_shell(text).replace('#', "##").replace('%', "%%");
        match self {
            Reader::Shell => for_shell(path),
            Reader::String => for_string(path),
            Reader::StringThenShell => for_string(&for_shell(path)),
            Reader::Tmux => for_tmux(path),
            Reader::StringThenTmux => {
                escaped(&for_tmux(path), &|character| "\\\"$`".contains(character))
            }
        }
    }
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
    fn every_host_that_has_a_folder_of_its_own_is_known() {
        let mut folders: Vec<String> = std::fs::read_dir("integrations")
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        folders.sort();
        let mut known: Vec<&str> =
            INTEGRATIONS.iter().map(|integration| integration.name).collect();
        known.sort_unstable();
        assert_eq!(folders, known);
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
        assert!(text.contains("'#(exec /opt/100%%/codexline tmux) | %H:%M'"), "{text}");
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
                let is_i3blocks = snippet.file == "sway.conf";
                assert!(text.contains("/x/y") != is_i3blocks, "{}: {text}", integration.name);
                let comments = |text: &str| text.lines().next().map(str::to_string);
                if !snippet.file.ends_with(".json") {
                    assert_eq!(comments(&text), comments(snippet.text));
                }
            }
        }
    }

    #[test]
    fn names_are_checked() {
        let env = Env::for_test(&[], || crate::model::time::Timestamp::from_unix_seconds(0));
        let error = |name, file| init(name, file, &env).unwrap_err().to_string();
        assert_eq!(error("tmx", None), "unknown host 'tmx'; did you mean tmux?");
        assert_eq!(
            error("tmux", Some("codex.tmux")),
            "unknown file 'codex.tmux'; did you mean codexline.tmux?"
        );
        assert!(list().lines().count() > INTEGRATIONS.len());
        let both = init("waybar", None, &env).unwrap();
        assert!(
            both.contains("\"return-type\": \"json\"")
                && both.contains("#custom-codexline.warning")
        );
    }
}
