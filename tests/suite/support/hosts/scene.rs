//! codexline on a stage: the program, a Codex home and a server, as a host finds them.

use super::{Stage, quoted, until};
use crate::support::home::Home;
use crate::support::server::{Answer, Gate, Server};
use crate::support::{USAGE, usage};
use serde_json::Value;
use std::path::Path;

/// A stage with codexline on its `PATH` and a Codex home for it. The fields are dropped in this
/// order, so what runs comes first.
pub struct Scene {
    pub stage: Stage,
    pub home: Home,
    pub server: Server,
}

impl Scene {
    /// Signed in; the server has answered already, so that the numbers are there at once.
    pub fn warm(stage: Stage, usage: Value) -> Self {
        let server = Server::usage(usage);
        let scene = Self::set_up(stage, Home::new(&server), server);
        scene.fetch(&scene.home);
        scene
    }

    /// Signed in; the server accepts each request and then says nothing until the gate is opened.
    pub fn hanging(stage: Stage) -> (Self, Gate) {
        let gate = Gate::closed();
        let held = gate.clone();
        let server = Server::start(move |_| Answer::json(200, &usage()).behind(&held));
        let home = Home::new(&server);
        (Self::set_up(stage, home, server), gate)
    }

    /// There is no login.
    pub fn signed_out(stage: Stage) -> Self {
        Self::set_up(stage, Home::signed_out(), Server::usage(usage()))
    }

    fn set_up(mut stage: Stage, home: Home, server: Server) -> Self {
        stage.install("codexline", Path::new(env!("CARGO_BIN_EXE_codexline")));
        stage.set("CODEX_HOME", home.codex_home());
        stage.set("XDG_CACHE_HOME", home.path().join("cache"));
        stage.set("CODEX_REFRESH_TOKEN_URL_OVERRIDE", server.url("/oauth/token"));
        stage.hand_over(home.path());
        Self { stage, home, server }
    }

    /// `codexline fetch` as the user of the host, so that the login keeps its owner.
    pub fn fetch(&self, home: &Home) {
        let mut command = self.stage.command("codexline");
        let ran = self.stage.run(command.arg("fetch").env("CODEX_HOME", home.codex_home()));
        assert!(ran.success, "{ran:?}");
    }

    /// A prompt somewhere else finds stale numbers, and its worker fetches new ones. `on-fetch` in
    /// the config file is the README's line for that bar, limited to this one process, because
    /// others of the name may run.
    pub fn prompt_that_pushes(&self, bar: &str, signal: u32, id: u32) {
        let pid_file = quoted(self.stage.write("bar.pid", &format!("{id}\n")));
        std::fs::create_dir_all(self.stage.path("config/codexline"))
            .expect("directory on the stage");
        let push = format!("on-fetch = \"pkill -RTMIN+{signal} --pidfile {pid_file} {bar}\"\n");
        self.stage.write("config/codexline/config.toml", &push);
        let before = self.requests();
        until("the prompt's worker to ask", || {
            let mut prompt = self.stage.command("codexline");
            let ran =
                self.stage.run(prompt.args(["starship", "--max-age", "0s", "--max-idle", "0s"]));
            assert!(ran.success && ran.stdout.contains("5h"), "{ran:?}");
            // Numbers from this very second are not fetched again.
            (self.requests() > before).then_some(())
        });
    }

    /// Requests for usage so far.
    pub fn requests(&self) -> usize {
        self.server.count(USAGE)
    }

    /// Whether text was run as a command: that would have made a file called `x` where the host
    /// runs its commands.
    pub fn was_tricked(&self) -> bool {
        let directories =
            [self.stage.path("x"), self.home.path().join("x"), Path::new("/x").into(), "x".into()];
        directories.iter().any(|path| path.exists())
    }
}
