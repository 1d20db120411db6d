//! sway without a screen (on its headless backend, or on an X server where a pointer is needed) and
//! waybar in it.

use super::x11::{Xvfb, wait_for};
use super::{Picture, Running, Stage, until};
use std::process::{Command, Stdio};

/// The socket that the first Wayland server in a run-time directory makes.
const SOCKET: &str = "wayland-1";

/// A running sway. Its stage must be an [`Stage::unprivileged`] one.
pub struct Sway<'stage> {
    stage: &'stage Stage,
    _process: Running,
}

impl<'stage> Sway<'stage> {
    /// Starts it with one output of that size and `config` (sway's own bar, say; may be empty).
    pub fn start(stage: &'stage Stage, width: usize, height: usize, config: &str) -> Self {
        let mut command = stage.command("sway");
        command.env("WLR_BACKENDS", "headless").env("WLR_LIBINPUT_NO_DEVICES", "1");
        Self::launch(stage, command, width, height, config)
    }

    /// As [`Sway::start`], in a window of an X server, whose pointer it follows.
    pub fn in_window(
        screen: &Xvfb,
        stage: &'stage Stage,
        width: usize,
        height: usize,
        config: &str,
    ) -> Self {
        let mut command = screen.command("sway");
        command.env("WLR_BACKENDS", "x11");
        Self::launch(stage, command, width, height, config)
    }

    fn launch(
        stage: &'stage Stage,
        mut command: Command,
        width: usize,
        height: usize,
        config: &str,
    ) -> Self {
        let config = stage.write(
            "sway.conf",
            // Xwayland is not there, and waiting for it would cost time.
            &format!("xwayland disable\noutput * resolution {width}x{height}\n{config}\n"),
        );
        command.env("WLR_RENDERER", "pixman").arg("-c").arg(config);
        let mut process = stage.start("sway", &mut command);
        until("sway's socket", || {
            assert!(process.alive(), "sway: {}", stage.log("sway"));
            stage.path("run").join(SOCKET).exists().then_some(())
        });
        Self { stage, _process: process }
    }

    /// A command whose windows open in this sway.
    pub fn command(&self, name: &str) -> Command {
        let mut command = self.stage.command(name);
        command
            .env("WAYLAND_DISPLAY", SOCKET)
            .env("GDK_BACKEND", "wayland")
            .env("GSETTINGS_BACKEND", "memory")
            // Accessibility would look for a session bus.
            .env("NO_AT_BRIDGE", "1");
        command
    }

    /// Starts waybar with that configuration (JSON) and style sheet.
    pub fn waybar(&self, config: &serde_json::Value, style: &str) -> Running {
        let config = self.stage.write("waybar.json", &config.to_string());
        let style = self.stage.write("waybar.css", style);
        let mut command = self.command("waybar");
        command.arg("-c").arg(config).arg("-s").arg(style);
        self.stage.start("waybar", &mut command)
    }

    /// What is on the screen.
    pub fn picture(&self) -> Picture {
        let mut command = self.command("grim");
        let output = command
            .args(["-t", "ppm", "-"])
            .stdout(Stdio::piped())
            .output()
            .expect("grim is installed");
        Picture::from_ppm(&output.stdout).expect("a picture of the screen")
    }

    /// Waits until the screen is as `condition` wants it.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&Picture) -> bool) -> Picture {
        wait_for(what, || self.picture(), condition)
    }
}
