//! An X server without a screen, for i3bar, polybar and everything that needs a pointer.

use super::{Picture, Running, Stage, until};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// An X server.
pub struct Xvfb<'stage> {
    stage: &'stage Stage,
    display: String,
    _process: Running,
}

impl<'stage> Xvfb<'stage> {
    /// Starts a server of that size. It chooses its number itself, so that many can run.
    pub fn start(stage: &'stage Stage, width: usize, height: usize) -> Self {
        let mut command = stage.command("Xvfb");
        command
            .args(["-displayfd", "1", "-nolisten", "tcp", "-noreset", "-screen", "0"])
            .arg(format!("{width}x{height}x24"))
            .stdout(Stdio::piped());
        let mut process = stage.start("Xvfb", &mut command);
        let output = process.child().stdout.take().expect("piped");
        let mut number = String::new();
        // End of file when it fails to start.
        let _ = BufReader::new(output).read_line(&mut number);
        assert!(!number.trim().is_empty(), "Xvfb: {}", stage.log("Xvfb"));
        Self { stage, display: format!(":{}", number.trim()), _process: process }
    }

    /// A command whose windows open on this server.
    pub fn command(&self, name: &str) -> Command {
        let mut command = self.stage.command(name);
        command.env("DISPLAY", &self.display);
        command
    }

    /// What is on the screen.
    pub fn picture(&self) -> Picture {
        let mut command = self.command("import");
        command.args(["-window", "root", "-depth", "8", "ppm:-"]);
        let output = command.stdout(Stdio::piped()).output().expect("import is installed");
        Picture::from_ppm(&output.stdout).expect("a picture of the screen")
    }

    /// Waits until the screen is as `condition` wants it.
    pub fn wait_for(&self, what: &str, condition: impl Fn(&Picture) -> bool) -> Picture {
        wait_for(what, || self.picture(), condition)
    }

    /// Opens a terminal at the top left that runs `command` (for `/bin/sh`).
    pub fn terminal(&self, columns: usize, rows: usize, command: &str) -> Running {
        self.terminal_in(["black", "white"], columns, rows, command)
    }

    /// As [`Xvfb::terminal`], with this background and foreground.
    pub fn terminal_in(
        &self,
        [background, foreground]: [&str; 2],
        columns: usize,
        rows: usize,
        command: &str,
    ) -> Running {
        let mut xterm = self.command("xterm");
        xterm
            .args(["-fa", "DejaVu Sans Mono", "-fs", "11", "-bg", background, "-fg", foreground])
            .args(["-b", "6", "-bw", "0", "+sb", "-geometry"])
            .arg(format!("{columns}x{rows}+0+0"))
            .args(["-e", "/bin/sh", "-c", command]);
        self.stage.start("xterm", &mut xterm)
    }

    /// How wide and high the terminal's window is.
    pub fn terminal_size(&self) -> (usize, usize) {
        let mut command = self.command("xdotool");
        command.args([
            "search",
            "--sync",
            "--onlyvisible",
            "--class",
            "xterm",
            "getwindowgeometry",
            "--shell",
        ]);
        let ran = self.stage.run(&mut command);
        let value = |key: &str| {
            let line = ran.stdout.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{ran:?}"))
        };
        (value("WIDTH="), value("HEIGHT="))
    }

    /// Moves the pointer there, by way of a neighbouring point: some toolkits want to see it move.
    pub fn point_at(&self, x: usize, y: usize) {
        let mut command = self.command("xdotool");
        for (x, y) in [(x + 1, y), (x, y)] {
            command.arg("mousemove").arg(x.to_string()).arg(y.to_string());
        }
        let ran = self.stage.run(&mut command);
        assert!(ran.success, "{ran:?}");
    }

    /// Presses and releases that button where the pointer is.
    pub fn click(&self, button: u8) {
        let ran = self.stage.run(self.command("xdotool").arg("click").arg(button.to_string()));
        assert!(ran.success, "{ran:?}");
    }
}

/// Takes pictures until `condition` holds for one. If none does, the last one is written to cargo's
/// directory for what tests leave behind.
pub fn wait_for(
    what: &str,
    take: impl Fn() -> Picture,
    condition: impl Fn(&Picture) -> bool,
) -> Picture {
    let mut last = None;
    let wait = std::panic::AssertUnwindSafe(|| {
        until(what, || {
            let picture = take();
            last = Some(picture.clone());
            condition(&picture).then_some(picture)
        })
    });
    std::panic::catch_unwind(wait).unwrap_or_else(|panic| {
        if let Some(last) = last {
            let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
            last.write(&path);
            eprintln!("the screen showed {last:?}: {}", path.display());
        }
        std::panic::resume_unwind(panic)
    })
}
