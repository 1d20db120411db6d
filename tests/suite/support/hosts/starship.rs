//! starship: one prompt, drawn as the shell's start-up file has it drawn.

use super::{Ran, Stage};

/// Runs `starship prompt` for that shell (bash, zsh, fish) with that starship.toml.
pub fn prompt(stage: &Stage, shell: &str, config: &str) -> Ran {
    let config = stage.write("starship.toml", config);
    let mut command = stage.command("starship");
    command
        .args(["prompt", "--terminal-width=120"])
        .env("STARSHIP_SHELL", shell)
        .env("STARSHIP_CONFIG", config)
        .env("STARSHIP_LOG", "warn");
    stage.run(&mut command)
}
