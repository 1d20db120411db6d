//! polybar, compared as a picture. A second bar shows the expected text.

use super::{HOSTILE, Scene, WINDOWS, plan, second_home};
use crate::support::hosts::picture::Picture;
use crate::support::hosts::x11::Xvfb;
use crate::support::hosts::{Stage, quoted};
use crate::support::usage_of;

const SNIPPET: &str = include_str!("../../../integrations/polybar/config.ini");

const WIDTH: usize = 1000;
const BAR: usize = 24;

/// A bar with such modules.
fn bar(name: &str, bottom: bool, modules: &str) -> String {
    format!(
        "[bar/{name}]\nwidth = 100%\nheight = {BAR}\nbottom = {bottom}\n\
         font-0 = DejaVu Sans Mono:size=10;2\n\
         background = #101010\nforeground = #ffffff\nmodules-left = {modules}\n"
    )
}

/// Waits until the bars `top` and `bottom` are equal and show as much as `is_enough` asks for.
fn become_alike(scene: &Scene, config: &str, is_enough: impl Fn(&Picture) -> bool) {
    let config = scene.stage.write("polybar.ini", config);
    let screen = Xvfb::start(&scene.stage, WIDTH, 2 * BAR);
    let start = |name: &str| {
        scene.stage.start(name, screen.command("polybar").arg("-c").arg(&config).arg(name))
    };
    let _bars = [start("top"), start("bottom")];
    screen.wait_for("both bars to be alike", |picture| {
        let (top, bottom) = (picture.part(0, 0, WIDTH, BAR), picture.part(0, BAR, WIDTH, BAR));
        top == bottom && is_enough(&top)
    });
}

#[test]
fn the_number_is_in_the_bar_and_names_are_text() {
    needs!("polybar", "Xvfb", "import");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let (exhausted, _server) = second_home(&scene, usage_of(100, 17));
    let snippet = SNIPPET.replace(
        "codexline polybar",
        "codexline polybar --color never --format \"{plan} {windows}\"",
    );
    assert_ne!(snippet, SNIPPET, "the snippet has another form");
    // The expected text comes from a file, with each `%{` broken up as polybar's manual says.
    let expected = format!("{HOSTILE} {WINDOWS}").replace("%{", "%%{F-}{");
    let expected = quoted(scene.stage.write("expected", &format!("{expected}\n")));
    let config = format!(
        "{}{}{snippet}\n\
         [module/expected]\ntype = custom/script\nexec = cat {expected}\ninterval = 15\n\
         [module/exhausted]\ntype = custom/script\nexec = CODEX_HOME={} codexline polybar\n\
         interval = 15\n",
        bar("top", false, "codexline exhausted"),
        bar("bottom", true, "expected exhausted"),
        quoted(exhausted.codex_home()),
    );
    become_alike(&scene, &config, |bar| {
        bar.count([255, 255, 255]) > 40 && bar.count([0xd7, 0, 0]) > 200
    });
    assert!(!scene.was_tricked());
}

#[test]
fn signed_out_is_a_word() {
    needs!("polybar", "Xvfb", "import");
    let scene = Scene::signed_out(Stage::new());
    let snippet = SNIPPET.replace("codexline polybar", "codexline polybar --color never");
    assert_ne!(snippet, SNIPPET, "the snippet has another form");
    let config = format!(
        "{}{}{snippet}\n[module/expected]\ntype = custom/script\n\
         exec = echo Codex: signed out\ninterval = 15\n",
        bar("top", false, "codexline"),
        bar("bottom", true, "expected"),
    );
    become_alike(&scene, &config, |bar| bar.count([255, 255, 255]) > 20);
}

#[test]
fn a_hanging_network_does_not_hold_the_other_modules() {
    needs!("polybar", "Xvfb", "import");
    let (scene, gate) = Scene::hanging(Stage::new());
    let ticks = scene.stage.path("ticks");
    let snippet = SNIPPET.replace("interval = 15", "interval = 1");
    let config = format!(
        "[bar/main]\nwidth = 100%\nheight = {BAR}\n\
         font-0 = DejaVu Sans Mono:size=10;2\nbackground = #101010\n\
         foreground = #ffffff\nmodules-left = codexline\nmodules-right = tick\n{snippet}\n\
         [module/tick]\ntype = custom/script\nexec = echo tick >> {0}; echo tick\ninterval = 1\n",
        quoted(&ticks)
    );
    let config = scene.stage.write("polybar.ini", &config);
    let screen = Xvfb::start(&scene.stage, WIDTH, BAR);
    let _polybar =
        scene.stage.start("polybar", screen.command("polybar").arg("-c").arg(config).arg("main"));
    scene.server.wait_for(crate::support::USAGE, 1);
    let count = || std::fs::read_to_string(&ticks).unwrap_or_default().lines().count();
    let before = count();
    crate::support::hosts::until("three more ticks", || (count() >= before + 3).then_some(()));
    screen.wait_for("a word meanwhile", |picture| !picture.part(0, 0, WIDTH / 2, BAR).is_blank());
    let pending = screen.picture().part(0, 0, WIDTH / 2, BAR);
    gate.open();
    screen.wait_for("the number", |picture| picture.part(0, 0, WIDTH / 2, BAR) != pending);
    assert_eq!(scene.requests(), 1);
}
