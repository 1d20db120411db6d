//! A tmux server as a person has it, with clients that attach in [`Terminal`]s.

use super::terminal::Terminal;
use super::{Ran, Stage, quoted};
use std::path::PathBuf;

/// A tmux server with one session.
pub struct Tmux<'stage> {
    stage: &'stage Stage,
    socket: PathBuf,
}

impl<'stage> Tmux<'stage> {
    /// Starts the server with that tmux.conf and nothing of the system's.
    pub fn start(stage: &'stage Stage, config: &str) -> Self {
        let config = stage.write("tmux.conf", config);
        let tmux = Self { stage, socket: stage.path("tmux.socket") };
        let mut command = stage.command("tmux");
        command
            .arg("-S")
            .arg(&tmux.socket)
            .arg("-f")
            .arg(config)
            .args(["new-session", "-d", "-x", "160", "-y", "10"])
            .arg("exec cat");
        let ran = stage.run(&mut command);
        assert!(ran.success, "{ran:?}");
        tmux
    }

    /// Runs a tmux command against the server.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.stage.command("tmux");
        command.arg("-S").arg(&self.socket).args(arguments);
        self.stage.run(&mut command)
    }

    /// Attaches a client that knows UTF-8 and 24-bit colours.
    pub fn attach(&self, name: &str, columns: usize, rows: usize) -> Terminal<'stage> {
        Terminal::open(self.stage, name, columns, rows, &self.attach_command())
    }

    /// What such a client is started with, for `/bin/sh`.
    pub fn attach_command(&self) -> String {
        format!("exec tmux -u -T RGB -S {} attach", quoted(&self.socket))
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}
