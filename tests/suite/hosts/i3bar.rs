//! The bars that show i3blocks: i3bar under X, swaybar under Wayland. A second bar shows the
//! expected text. Both must be equal to the pixel.

use super::{HOSTILE, Scene, WINDOWS, plan, second_home};
use crate::support::home::Home;
use crate::support::hosts::picture::Picture;
use crate::support::hosts::wayland::Sway;
use crate::support::hosts::x11::Xvfb;
use crate::support::hosts::{Stage, quoted};
use crate::support::usage_of;

const SNIPPET: &str = include_str!("../../../integrations/i3blocks/i3blocks.conf");

const WIDTH: usize = 1000;

/// Two `bar { … }` blocks for i3 and sway: codexline's at the top, the expected one at the bottom.
fn bars(stage: &Stage, exhausted: &Home) -> String {
    let codex_home = quoted(exhausted.codex_home());
    let ours =
        SNIPPET.replace("codexline i3blocks", "codexline i3blocks --format \"{plan} {windows}\"");
    let second = format!(
        "[second]\nmarkup=pango\ninterval=15\n\
         command=CODEX_HOME={codex_home} exec codexline i3blocks\n"
    );
    let ours = stage.write("ours.conf", &format!("{ours}\n{second}"));
    let escaped = HOSTILE.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let first = quoted(stage.write("first", &format!("{escaped} {WINDOWS}\n")));
    let second = quoted(stage.write("second", "Codex 5h 0% left, back in 1h03m\n\n#ff8787\n"));
    let expected = stage.write(
        "expected.conf",
        &format!(
            "[codexline]\nmarkup=pango\ninterval=15\ncommand=cat {first}\n\
             [second]\nmarkup=pango\ninterval=15\ncommand=cat {second}\n"
        ),
    );
    let bar = |position: &str, blocks: &std::path::Path| {
        format!(
            "bar {{\n position {position}\n font pango:DejaVu Sans Mono 10\n \
             workspace_buttons no\n status_command i3blocks -c {}\n}}\n",
            quoted(blocks)
        )
    };
    bar("top", &ours) + &bar("bottom", &expected)
}

/// Whether both bars are there, are equal, and have the exhausted block's colour. Only the rows
/// with text are compared, because the height and place of a bar is its own choice.
fn alike(picture: &Picture) -> bool {
    let half = picture.height / 2;
    let text = |half: Picture| {
        let row = |row: usize| half.part(0, row, WIDTH, 1);
        let rows: Vec<usize> =
            (0..half.height).filter(|y| row(*y).count([255, 255, 255]) > 0).collect();
        let (first, last) = (*rows.first()?, *rows.last()?);
        Some(half.part(0, first, WIDTH, last - first + 1))
    };
    let top = text(picture.part(0, 0, WIDTH, half));
    let bottom = text(picture.part(0, half, WIDTH, half));
    top == bottom && top.is_some_and(|text| text.count([0xff, 0x87, 0x87]) > 8)
}

#[test]
fn i3bar_shows_the_blocks() {
    needs!("i3", "i3bar", "i3blocks", "Xvfb", "import");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let (exhausted, _server) = second_home(&scene, usage_of(100, 17));
    let screen = Xvfb::start(&scene.stage, WIDTH, 80);
    let config = scene
        .stage
        .write("i3.conf", &format!("# i3 config file (v4)\n{}", bars(&scene.stage, &exhausted)));
    let _i3 = scene.stage.start("i3", screen.command("i3").arg("-c").arg(config));
    screen.wait_for("both bars to be alike", alike);
    assert!(!scene.was_tricked());
}

#[test]
fn swaybar_shows_the_blocks() {
    needs!("sway", "swaybar", "grim", "i3blocks");
    let scene = Scene::warm(Stage::unprivileged(), plan(HOSTILE));
    let (exhausted, _server) = second_home(&scene, usage_of(100, 17));
    let sway = Sway::start(&scene.stage, WIDTH, 80, &bars(&scene.stage, &exhausted));
    sway.wait_for("both bars to be alike", alike);
    assert!(!scene.was_tricked());
}
