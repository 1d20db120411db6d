//! The hosts that codexline can be shown in, the snippets of `integrations/` for them, and where
//! each belongs.

use super::edit::{CSS, Comment, HASH, SEMICOLON};
use super::reader::Reader;

/// A program that codexline can be shown in.
pub struct Integration {
    /// The folder in `integrations/`.
    pub name: &'static str,
    /// It is installed if one of these is on PATH.
    pub programs: &'static [&'static str],
    /// It is started without the PATH of a person's shell, so the snippet names codexline's path.
    pub(super) needs_path: bool,
    /// What a person does to see the line, once it is written.
    pub(super) then: &'static str,
    pub snippets: &'static [Snippet],
}

impl Integration {
    /// What a person types to have it set up.
    pub fn set_up_command(&self) -> String {
        let is_block = |snippet: &Snippet| matches!(snippet.way, Way::Block { .. });
        let write = if self.snippets.iter().any(is_block) { " --write" } else { "" };
        format!("codexline init {}{write}", self.name)
    }
}

/// One file of an integration.
pub struct Snippet {
    /// Its name in the folder.
    pub file: &'static str,
    pub text: &'static str,
    /// Where it belongs, in words.
    pub place: &'static str,
    /// The files that it can belong into: the first that is there, else the first of all. One that
    /// begins with a variable counts if that is set, and then before all others.
    pub files: &'static [&'static str],
    pub(super) way: Way,
    pub(super) choice: Choice,
    pub(super) reader: Reader,
}

impl Snippet {
    /// The text that its file must have.
    pub(super) fn beside(&self) -> Option<&'static str> {
        match self.way {
            Way::Block { beside, .. } => beside,
            Way::Paste { .. } => None,
        }
    }
}

/// When a snippet is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Unless something else is chosen.
    Usual,
    /// If it is named.
    Named,
    /// With this option of `init`, in place of the usual ones.
    With(&'static str),
}

/// How a snippet gets into its file.
pub(super) enum Way {
    /// As a block between marker lines at the end of the file.
    Block {
        /// In the marker lines.
        name: &'static str,
        comment: Comment,
        /// A line with this, outside of the block, says that a person has pasted the snippet.
        sign: &'static str,
        /// The host reads the first of these while a person has no file: a new file begins as it.
        seeds: &'static [&'static str],
        /// The file has a list of modules, which the bar shows only what stands in.
        has_modules: bool,
        /// Only a file that has this text is written to.
        beside: Option<&'static str>,
    },
    /// By a person.
    Paste {
        /// The exact spot in the file.
        spot: &'static str,
        /// Something follows it there, so a comma must stand behind it.
        comma: bool,
        /// A word that must be added as well, and its spot.
        word: Option<(&'static str, &'static str)>,
    },
}

const fn block(name: &'static str, comment: Comment, sign: &'static str) -> Way {
    Way::Block { name, comment, sign, seeds: &[], has_modules: false, beside: None }
}

/// starship does not look at `XDG_CONFIG_HOME`.
const STARSHIP_FILES: &[&str] =
    &["$STARSHIP_CONFIG", "$HOME/.config/starship.toml", "~/.config/starship.toml"];

/// A shell's start file, if that draws its prompt with starship.
const fn starship_env(files: &'static [&'static str], beside: &'static str) -> Snippet {
    Snippet {
        file: "env.sh",
        text: include_str!("../../../integrations/starship/env.sh"),
        place: files[0],
        files,
        way: Way::Block {
            name: "starship",
            comment: HASH,
            sign: "__codexline_export",
            seeds: &[],
            has_modules: false,
            beside: Some(beside),
        },
        choice: Choice::With("env"),
        reader: Reader::Shell,
    }
}

const fn paste(spot: &'static str) -> Way {
    Way::Paste { spot, comma: false, word: None }
}

const I3BLOCKS: Snippet = Snippet {
    file: "i3blocks.conf",
    text: include_str!("../../../integrations/i3blocks/i3blocks.conf"),
    place: "~/.config/i3blocks/config",
    files: &["~/.config/i3blocks/config", "~/.i3blocks.conf"],
    way: Way::Block {
        name: "i3blocks",
        comment: HASH,
        sign: "[codexline]",
        seeds: &["/etc/i3blocks.conf"],
        has_modules: false,
        beside: None,
    },
    choice: Choice::Usual,
    reader: Reader::Shell,
};

pub const INTEGRATIONS: &[Integration] = &[
    Integration {
        name: "starship",
        programs: &["starship"],
        needs_path: true,
        then: "the next prompt shows it",
        snippets: &[
            Snippet {
                file: "starship.toml",
                text: include_str!("../../../integrations/starship/starship.toml"),
                place: "~/.config/starship.toml",
                files: STARSHIP_FILES,
                way: block("starship", HASH, "[custom.codexline]"),
                choice: Choice::Usual,
                reader: Reader::String,
            },
            Snippet {
                file: "env.toml",
                text: include_str!("../../../integrations/starship/env.toml"),
                place: "~/.config/starship.toml",
                files: STARSHIP_FILES,
                way: block("starship", HASH, "[env_var.CODEXLINE]"),
                choice: Choice::With("env"),
                reader: Reader::String,
            },
            starship_env(&["$ZDOTDIR/.zshrc", "~/.zshrc"], "starship init zsh"),
            starship_env(&["~/.bashrc", "~/.bash_profile"], "starship init bash"),
        ],
    },
    Integration {
        name: "tmux",
        programs: &["tmux"],
        needs_path: false,
        then: "in a tmux that runs: tmux source-file FILE",
        snippets: &[
            Snippet {
                file: "tmux.conf",
                text: include_str!("../../../integrations/tmux/tmux.conf"),
                place: "~/.tmux.conf",
                files: &["~/.tmux.conf", "~/.config/tmux/tmux.conf"],
                way: block("tmux", HASH, "codexline tmux"),
                choice: Choice::Usual,
                reader: Reader::Tmux,
            },
            Snippet {
                file: "push.conf",
                text: include_str!("../../../integrations/tmux/push.conf"),
                place: "~/.tmux.conf",
                files: &["~/.tmux.conf", "~/.config/tmux/tmux.conf"],
                way: block("tmux", HASH, "codexline tmux"),
                choice: Choice::With("push"),
                reader: Reader::TmuxString,
            },
            Snippet {
                file: "codexline.tmux",
                text: include_str!("../../../integrations/tmux/codexline.tmux"),
                place: "a file of its own, for run-shell",
                files: &[],
                way: paste("a file of its own, which run-shell in ~/.tmux.conf names"),
                choice: Choice::Named,
                reader: Reader::StringThenTmux,
            },
        ],
    },
    Integration {
        name: "waybar",
        programs: &["waybar"],
        needs_path: true,
        then: "restart waybar, or: pkill -SIGUSR2 waybar",
        snippets: &[
            Snippet {
                file: "config.jsonc",
                text: include_str!("../../../integrations/waybar/config.jsonc"),
                place: "~/.config/waybar/config",
                files: &["~/.config/waybar/config", "~/.config/waybar/config.jsonc"],
                way: Way::Paste {
                    spot: "directly behind the first {",
                    comma: true,
                    word: Some((
                        "\"custom/codexline\",",
                        "directly behind the [ of \"modules-right\" (or -left, -center)",
                    )),
                },
                choice: Choice::Usual,
                reader: Reader::StringThenShell,
            },
            Snippet {
                file: "style.css",
                text: include_str!("../../../integrations/waybar/style.css"),
                place: "~/.config/waybar/style.css",
                files: &["~/.config/waybar/style.css"],
                way: Way::Block {
                    name: "waybar",
                    comment: CSS,
                    sign: "#custom-codexline",
                    seeds: &["/etc/xdg/waybar/style.css"],
                    has_modules: false,
                    beside: None,
                },
                choice: Choice::Usual,
                reader: Reader::Shell,
            },
        ],
    },
    Integration {
        name: "i3blocks",
        programs: &["i3blocks"],
        needs_path: true,
        then: "restart i3 in place: i3-msg restart",
        snippets: &[I3BLOCKS],
    },
    Integration {
        name: "swaybar",
        programs: &["swaybar"],
        needs_path: true,
        then: "swaymsg reload",
        snippets: &[
            Snippet {
                file: "sway.conf",
                text: include_str!("../../../integrations/swaybar/sway.conf"),
                place: "~/.config/sway/config",
                files: &["~/.config/sway/config"],
                way: paste(
                    "in the place of the bar { } that is there, or only of its status_command",
                ),
                choice: Choice::Usual,
                reader: Reader::Shell,
            },
            I3BLOCKS,
        ],
    },
    Integration {
        name: "i3status-rust",
        programs: &["i3status-rs"],
        needs_path: true,
        then: "restart i3 in place (i3-msg restart), or: swaymsg reload",
        snippets: &[Snippet {
            file: "config.toml",
            text: include_str!("../../../integrations/i3status-rust/config.toml"),
            place: "~/.config/i3status-rust/config.toml",
            files: &["~/.config/i3status-rust/config.toml"],
            way: block("i3status-rust", HASH, "codexline i3status-rust"),
            choice: Choice::Usual,
            reader: Reader::StringThenShell,
        }],
    },
    Integration {
        name: "polybar",
        programs: &["polybar"],
        needs_path: true,
        then: "polybar-msg cmd restart",
        snippets: &[Snippet {
            file: "config.ini",
            text: include_str!("../../../integrations/polybar/config.ini"),
            place: "~/.config/polybar/config.ini",
            files: &["~/.config/polybar/config.ini", "~/.config/polybar/config"],
            way: Way::Block {
                name: "polybar",
                comment: SEMICOLON,
                sign: "[module/codexline]",
                seeds: &["/etc/polybar/config.ini"],
                has_modules: true,
                beside: None,
            },
            choice: Choice::Usual,
            reader: Reader::Shell,
        }],
    },
    Integration {
        name: "zsh",
        programs: &["zsh"],
        needs_path: false,
        then: "open a new zsh, or: exec zsh",
        snippets: &[Snippet {
            file: "codexline.zsh",
            text: include_str!("../../../integrations/zsh/codexline.zsh"),
            place: "~/.zshrc",
            files: &["$ZDOTDIR/.zshrc", "~/.zshrc"],
            way: block("zsh", HASH, "codexline zsh"),
            choice: Choice::Usual,
            reader: Reader::Shell,
        }],
    },
    Integration {
        name: "powerlevel10k",
        programs: &[],
        needs_path: false,
        then: "p10k reload",
        snippets: &[Snippet {
            file: "p10k.zsh",
            text: include_str!("../../../integrations/powerlevel10k/p10k.zsh"),
            place: "~/.p10k.zsh",
            files: &["~/.p10k.zsh"],
            way: Way::Paste {
                spot: "at the end",
                comma: false,
                word: Some((
                    "codexline",
                    "in the ( ) of POWERLEVEL9K_RIGHT_PROMPT_ELEMENTS (or LEFT)",
                )),
            },
            choice: Choice::Usual,
            reader: Reader::Shell,
        }],
    },
    Integration {
        name: "bash",
        programs: &["bash"],
        needs_path: false,
        then: "open a new bash, or: exec bash",
        snippets: &[Snippet {
            file: "codexline.bash",
            text: include_str!("../../../integrations/bash/codexline.bash"),
            place: "~/.bashrc",
            files: &["~/.bashrc", "~/.bash_profile"],
            way: block("bash", HASH, "codexline bash"),
            choice: Choice::Usual,
            reader: Reader::Shell,
        }],
    },
    Integration {
        name: "fish",
        programs: &["fish"],
        needs_path: false,
        then: "open a new fish, or: exec fish",
        snippets: &[Snippet {
            file: "codexline.fish",
            text: include_str!("../../../integrations/fish/codexline.fish"),
            place: "~/.config/fish/conf.d/codexline.fish",
            files: &["~/.config/fish/conf.d/codexline.fish"],
            way: block("fish", HASH, "codexline fish"),
            choice: Choice::Usual,
            reader: Reader::Shell,
        }],
    },
    Integration {
        name: "claude-code",
        programs: &["claude"],
        needs_path: false,
        then: "Claude Code shows it at once",
        snippets: &[Snippet {
            file: "settings.json",
            text: include_str!("../../../integrations/claude-code/settings.json"),
            place: "~/.claude/settings.json",
            files: &["~/.claude/settings.json"],
            way: paste("the whole file; if there is one, add \"statusLine\": { … }, behind its {"),
            choice: Choice::Usual,
            reader: Reader::StringThenShell,
        }],
    },
    Integration {
        name: "swiftbar",
        programs: &[],
        needs_path: false,
        then: "SwiftBar: Refresh All",
        snippets: &[Snippet {
            file: "codexline.1m.sh",
            text: include_str!("../../../integrations/swiftbar/codexline.1m.sh"),
            place: "the plugin folder, as an executable",
            files: &[],
            way: paste("a file of this name in the plugin folder, executable (chmod +x)"),
            choice: Choice::Usual,
            reader: Reader::Shell,
        }],
    },
    Integration {
        name: "sketchybar",
        programs: &["sketchybar"],
        needs_path: false,
        then: "sketchybar --reload",
        snippets: &[
            Snippet {
                file: "codexline.sh",
                text: include_str!("../../../integrations/sketchybar/codexline.sh"),
                place: "~/.config/sketchybar/plugins/codexline.sh",
                files: &[],
                way: paste("a file of this name in ~/.config/sketchybar/plugins, executable"),
                choice: Choice::Usual,
                reader: Reader::Shell,
            },
            Snippet {
                file: "sketchybarrc",
                text: include_str!("../../../integrations/sketchybar/sketchybarrc"),
                place: "~/.config/sketchybar/sketchybarrc",
                files: &[],
                way: paste("at the end of ~/.config/sketchybar/sketchybarrc"),
                choice: Choice::Usual,
                reader: Reader::Shell,
            },
        ],
    },
    Integration {
        name: "zjstatus",
        programs: &["zellij"],
        needs_path: false,
        then: "start zellij anew",
        snippets: &[Snippet {
            file: "layout.kdl",
            text: include_str!("../../../integrations/zjstatus/layout.kdl"),
            place: "the plugin's block in your layout",
            files: &[],
            way: Way::Paste {
                spot: "your zellij layout, inside of plugin location=\"…zjstatus.wasm\" { }",
                comma: false,
                word: Some((
                    "{command_codexline}",
                    "in the text of format_right (or _left, _center)",
                )),
            },
            choice: Choice::Usual,
            reader: Reader::StringThenShell,
        }],
    },
];

/// The host of this name.
pub(super) fn find(name: &str) -> Option<&'static Integration> {
    INTEGRATIONS.iter().find(|integration| integration.name == name)
}
