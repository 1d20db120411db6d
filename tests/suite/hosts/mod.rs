//! codexline in the real hosts, with the snippets of `integrations/` as they are. Each host shows
//! the number, treats the names that the server sends as text, and suffers neither from a missing
//! login nor from a network that hangs.
//!
//! `.ci/hosts` installs the hosts. A test ends early where its host is missing (see `needs!`).

mod claude_code;
mod contrast;
mod i3bar;
mod i3blocks;
mod i3status_rust;
mod polybar;
mod shells;
mod snippets;
mod starship;
mod status;
mod tmux;
mod waybar;
mod written;

use crate::support::home::Home;
use crate::support::hosts::scene::Scene;
use crate::support::server::Server;
use crate::support::usage;
use serde_json::Value;

/// The usual answer as the hosts show it.
const LINE: &str = "Codex 5h 58% left · 7d 83% left";

/// The same by a template: what `{windows}` is.
const WINDOWS: &str = "5h 42% 1h03m · 7d 17% 5d8h";

/// A name from the server that means something to every host: tmux's formats and jobs, Pango's
/// markup, polybar's tags, prompts of zsh and bash. It is not longer than codexline lets a name be.
/// The files that it names must not appear.
const HOSTILE: &str = "#(touch x)#[fg=red #S <b>&amp;'\"%{F#f} $(id>x)";

/// The usual answer of a plan with that name.
fn plan(name: &str) -> Value {
    let mut answer = usage();
    answer["plan_type"] = name.into();
    answer
}

/// A second home with other numbers, for pictures of several severities. `CODEX_HOME` selects it;
/// the cache is the same.
fn second_home(scene: &Scene, answer: Value) -> (Home, Server) {
    let server = Server::usage(answer);
    let home = Home::new(&server);
    scene.stage.hand_over(home.path());
    scene.fetch(&home);
    (home, server)
}
