//! A terminal without a screen: a tmux server of its own that runs one program and shows what a
//! person would see.

use super::{Stage, quoted, until};
use std::path::PathBuf;

/// A terminal that runs one program. Closed on drop.
pub struct Terminal<'stage> {
    stage: &'stage Stage,
    socket: PathBuf,
}

impl<'stage> Terminal<'stage> {
    /// Starts `command` (for `/bin/sh`) in a terminal of that size. `name` tells the terminals of a
    /// stage apart.
    pub fn open(
        stage: &'stage Stage,
        name: &str,
        columns: usize,
        rows: usize,
        command: &str,
    ) -> Self {
        // A status line would hide the last row of what a client shows.
        let config = stage.write(
            "terminal.conf",
            "set -g status off\nset -g default-terminal tmux-256color\n\
             set -ga terminal-overrides ',*:Tc'\n\
             set -s escape-time 0\nset -g remain-on-exit on\n",
        );
        let terminal = Self { stage, socket: stage.path(&format!("{name}.terminal")) };
        let ran = stage.run(
            stage
                .command("tmux")
                .arg("-u")
                .arg("-S")
                .arg(&terminal.socket)
                .arg("-f")
                .arg(config)
                .args(["new-session", "-d", "-x"])
                .arg(columns.to_string())
                .arg("-y")
                .arg(rows.to_string())
                // Programs in here must not think that they run inside a person's tmux.
                .arg(format!("unset TMUX TMUX_PANE; {command}")),
        );
        assert!(ran.success, "{ran:?}");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = self.stage.command("tmux");
        command.arg("-u").arg("-S").arg(&self.socket);
        let ran = self.stage.run(command.args(arguments));
        assert!(ran.success, "{arguments:?}: {ran:?}");
        ran.stdout
    }

    /// The rows as plain text.
    pub fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The rows with their colours as escape sequences.
    pub fn coloured(&self) -> String {
        self.tmux(&["capture-pane", "-pe"])
    }

    /// What tmux knows about the terminal, by a format of its own.
    pub fn ask(&self, format: &str) -> String {
        self.tmux(&["display-message", "-p", format])
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: usize, rows: usize) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// Types `line` and Enter.
    pub fn enter(&self, line: &str) {
        self.keys(line);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Types these characters, control characters among them.
    pub fn keys(&self, keys: &str) {
        self.tmux(&["send-keys", "-l", keys]);
    }

    /// Waits until the text contains `wanted` and answers the text.
    pub fn wait_for(&self, wanted: &str) -> String {
        self.wait_until(&format!("{wanted:?} in the terminal"), |text| text.contains(wanted))
    }

    /// Waits until the text is as `condition` wants it and answers the text.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let wait = std::panic::AssertUnwindSafe(|| {
            until(what, || {
                last = self.text();
                condition(&last).then_some(())
            });
        });
        if let Err(panic) = std::panic::catch_unwind(wait) {
            // A failure is explained best by the screen.
            eprintln!("the terminal shows:\n{}", self.text());
            std::panic::resume_unwind(panic);
        }
        last
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let mut command = self.stage.command("tmux");
        let _ = command.arg("-S").arg(&self.socket).arg("kill-server").status();
    }
}

/// A shell with only the given start file: `zsh -f`, `fish -N` or `bash --norc`, and then `setup`
/// in its own language.
pub fn shell(stage: &Stage, shell: &str, setup: &str) -> String {
    let file = quoted(stage.write(&format!("setup.{shell}"), setup));
    match shell {
        // zsh and bash read our start file and none of the system's or the home's.
        "zsh" => {
            let _ = std::fs::create_dir_all(stage.path("zdotdir"));
            stage.write("zdotdir/.zshrc", setup);
            format!("ZDOTDIR={} exec zsh -d -i", quoted(stage.path("zdotdir")))
        }
        "fish" => format!("exec fish -N -i -C 'source {}'", file.replace('\'', "\"")),
        "bash" => format!("exec bash --noprofile --rcfile {file} -i"),
        other => panic!("no start line for {other}"),
    }
}
