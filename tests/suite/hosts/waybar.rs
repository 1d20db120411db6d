//! waybar in sway, compared as pictures. A second bar shows the expected text. Both must be equal
//! to the pixel.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan, second_home};
use crate::support::hosts::picture::Colour;
use crate::support::hosts::wayland::Sway;
use crate::support::hosts::x11::Xvfb;
use crate::support::hosts::{Stage, quoted, throughout, until};
use crate::support::{usage, usage_of};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SNIPPET: &str = include_str!("../../../integrations/waybar/config.jsonc");
const STYLE: &str = include_str!("../../../integrations/waybar/style.css");

const BASE_STYLE: &str =
    "* { font: 14px 'DejaVu Sans Mono'; border: none; border-radius: 0; min-height: 0; }
window { background: #101010; color: #ffffff; }
tooltip { background: #002244; } tooltip label { color: #00ff00; }\n";

const WIDTH: usize = 900;
const BAR: usize = 30;

/// The snippet as a module's configuration, with arguments behind `codexline waybar`.
fn module(arguments: &str) -> Value {
    let lines = SNIPPET.lines().filter(|line| !line.trim_start().starts_with("//"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut all: Value = serde_json::from_str(&format!("{{{text}}}")).expect("the snippet is JSON");
    let mut module = all["custom/codexline"].take();
    let exec = module["exec"].as_str().expect("a command").to_owned();
    module["exec"] = format!("{exec} {arguments}").into();
    module
}

/// A module under codexline's name that shows `text` (Pango) and nothing else.
fn shows(stage: &Stage, text: &str, class: &str) -> Value {
    let line = json!({ "text": text, "class": class }).to_string();
    let file = stage.write("expected.json", &format!("{line}\n"));
    let exec = format!("cat {}", quoted(file));
    json!({ "exec": exec, "return-type": "json", "format": "{}", "interval": 1 })
}

fn bar(position: &str, module: Value) -> Value {
    json!({
        "position": position,
        "height": BAR,
        "modules-left": ["custom/codexline"],
        "custom/codexline": module,
    })
}

/// Runs two bars, one with the module and one that is told what to show, until they are equal and
/// drawn.
fn shown_like(scene: &Scene, arguments: &str, text: &str, class: &str) {
    let sway = Sway::start(&scene.stage, WIDTH, 2 * BAR, "");
    let expected = shows(&scene.stage, text, class);
    let bars = json!([bar("top", module(arguments)), bar("bottom", expected)]);
    let _waybar = sway.waybar(&bars, &format!("{BASE_STYLE}{STYLE}"));
    sway.wait_for("both bars to be alike", |picture| {
        let (top, bottom) = (picture.part(0, 0, WIDTH, BAR), picture.part(0, BAR, WIDTH, BAR));
        top == bottom && !top.is_blank()
    });
}

#[test]
fn the_number_is_in_the_bar() {
    needs!("waybar", "sway", "grim");
    let scene = Scene::warm(Stage::unprivileged(), usage());
    shown_like(&scene, "", LINE, "ok");
    assert_eq!(scene.requests(), 1, "the numbers were fresh");
}

#[test]
fn hostile_names_are_text() {
    needs!("waybar", "sway", "grim");
    let scene = Scene::warm(Stage::unprivileged(), plan(HOSTILE));
    let escaped = HOSTILE.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    shown_like(&scene, "--format \"{plan} {windows}\"", &format!("{escaped} {WINDOWS}"), "ok");
    assert!(!scene.was_tricked());
}

#[test]
fn signed_out_is_a_word() {
    needs!("waybar", "sway", "grim");
    let scene = Scene::signed_out(Stage::unprivileged());
    let sway = Sway::start(&scene.stage, WIDTH, BAR, "");
    let style = format!("{BASE_STYLE} #custom-codexline.unknown {{ color: #ff00ff; }}");
    let _waybar = sway.waybar(&bar("top", module("--color never")), &style);
    sway.wait_for("text in the class's colour", |picture| picture.count([255, 0, 255]) > 40);
}

#[test]
fn every_severity_has_its_class() {
    needs!("waybar", "sway", "grim");
    let scene = Scene::warm(Stage::unprivileged(), usage());
    let (exhausted, _server) = second_home(&scene, usage_of(100, 17));
    let sway = Sway::start(&scene.stage, WIDTH, BAR, "");
    let mut config = json!({ "height": BAR, "modules-left": [] });
    let mut style = BASE_STYLE.to_owned();
    let cases: [(&str, &str, Colour); 4] = [
        ("ok", "", [0, 96, 0]),
        ("warning", "--warn 40", [160, 96, 0]),
        ("critical", "--warn 30 --critical 40", [160, 0, 0]),
        ("exhausted", "", [0, 0, 160]),
    ];
    for (class, arguments, [red, green, blue]) in cases {
        let name = format!("custom/codexline#{class}");
        let mut module = module(&format!("--window \"{{label}} {{used}}\" {arguments}"));
        if class == "exhausted" {
            let exec = module["exec"].as_str().expect("a command").to_owned();
            module["exec"] =
                format!("CODEX_HOME={}; {exec}", quoted(exhausted.codex_home())).into();
        }
        config["modules-left"].as_array_mut().expect("an array").push(name.clone().into());
        config[&name] = module;
        style +=
            &format!("#custom-codexline.{class} {{ background: rgb({red},{green},{blue}); }}\n");
    }
    let _waybar = sway.waybar(&config, &style);
    sway.wait_for("the colours of all classes", |picture| {
        cases.iter().all(|(_, _, colour)| picture.count(*colour) > 1000)
    });
}

#[test]
fn the_tooltip_opens_whatever_the_server_sends() {
    needs!("waybar", "sway", "grim", "Xvfb", "xdotool", "import");
    let scene = Scene::warm(Stage::unprivileged(), plan(HOSTILE));
    let screen = Xvfb::start(&scene.stage, WIDTH, 300);
    let sway = Sway::in_window(&screen, &scene.stage, WIDTH, 300, "");
    let _waybar = sway.waybar(&bar("top", module("")), BASE_STYLE);
    sway.wait_for("the line", |picture| !picture.part(0, 0, WIDTH, BAR).is_blank());
    let pointed = std::cell::Cell::new(None::<Instant>);
    sway.wait_for("the tooltip with its text", |picture| {
        // The tooltip opens half a second after the pointer came to rest. A pointer that came too
        // early is not noticed.
        if pointed.get().is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
            screen.point_at(20, 15);
            pointed.set(Some(Instant::now()));
        }
        picture.count([0, 0x22, 0x44]) > 2000 && picture.count([0, 255, 0]) > 100
    });
    assert!(!scene.was_tricked());
}

#[test]
fn a_hanging_network_does_not_hold_the_other_modules() {
    needs!("waybar", "sway", "grim");
    let (scene, gate) = Scene::hanging(Stage::unprivileged());
    let ticks = |name: &str| {
        std::fs::read_to_string(scene.stage.path(name)).unwrap_or_default().lines().count()
    };
    let tick = |name: &str| {
        let file = quoted(scene.stage.path(name));
        json!({ "exec": format!("echo tick >> {file}; echo tick"), "interval": 1 })
    };
    let mut codexline = module("");
    codexline["interval"] = 1.into();
    let config = json!({
        "height": BAR, "modules-left": ["custom/one", "custom/codexline", "custom/two"],
        "custom/one": tick("one"), "custom/codexline": codexline, "custom/two": tick("two"),
    });
    let sway = Sway::start(&scene.stage, WIDTH, BAR, "");
    let mut waybar =
        sway.waybar(&config, &format!("{BASE_STYLE} #custom-codexline {{ background: #0000ff; }}"));
    scene.server.wait_for(crate::support::USAGE, 1);
    let (one, two) = (ticks("one"), ticks("two"));
    until("four more ticks of the others", || {
        (ticks("one") >= one + 4 && ticks("two") >= two + 4).then_some(())
    });
    sway.wait_for("something to be shown meanwhile", |picture| picture.count([0, 0, 255]) > 500);
    let before = sway.picture().count([0, 0, 255]);
    gate.open();
    sway.wait_for("the number, which is wider", |picture| picture.count([0, 0, 255]) > 2 * before);
    assert!(waybar.alive());
    assert_eq!(scene.requests(), 1);
}

#[test]
fn a_click_fetches_and_a_signal_repaints() {
    needs!("waybar", "sway", "grim", "Xvfb", "xdotool", "import");
    let mut scene = Scene::warm(Stage::unprivileged(), usage());
    // The README's line would also repaint the bars of other tests.
    scene.stage.set("PKILLED", scene.stage.path("pkilled"));
    scene.stage.install("pkill", &scene.stage.script("pkill", "echo \"$@\" >> \"$PKILLED\""));
    let screen = Xvfb::start(&scene.stage, WIDTH, 60);
    let sway = Sway::in_window(&screen, &scene.stage, WIDTH, 60, "");
    let mut codexline = module("");
    codexline["interval"] = 3600.into();
    let style = format!("{BASE_STYLE} #custom-codexline.exhausted {{ background: #0000ff; }}");
    let waybar = sway.waybar(&bar("top", codexline), &style);
    sway.wait_for("the line", |picture| !picture.part(0, 0, WIDTH, BAR).is_blank());
    let answer = usage_of(100, 17);
    scene.server.script(move |_| crate::support::server::Answer::json(200, &answer));
    until("the click to fetch", || {
        screen.point_at(20, 15);
        screen.click(1);
        (scene.requests() > 1).then_some(())
    });
    until("the click's command to be done", || {
        let asked = std::fs::read_to_string(scene.stage.path("pkilled")).unwrap_or_default();
        asked.contains("-RTMIN+8 waybar").then_some(())
    });
    waybar.realtime_signal(8);
    sway.wait_for("the new number", |picture| picture.count([0, 0, 255]) > 500);
    throughout(Duration::from_millis(200), "it stays", || sway.picture().count([0, 0, 255]) > 500);
}

/// During the test only a signal can repaint this module.
#[test]
fn a_fetch_pushes_the_number_into_the_bar() {
    needs!("waybar", "sway", "grim", "pkill");
    let scene = Scene::warm(Stage::unprivileged(), usage());
    let sway = Sway::start(&scene.stage, WIDTH, BAR, "");
    let mut codexline = module("");
    codexline["interval"] = 86_400.into();
    let style = format!(
        "{BASE_STYLE} #custom-codexline.ok {{ background: #006000; }} \
         #custom-codexline.exhausted {{ background: #0000ff; }}"
    );
    let mut waybar = sway.waybar(&bar("top", codexline), &style);
    sway.wait_for("the old number", |picture| picture.count([0, 0x60, 0]) > 500);
    let answer = usage_of(100, 17);
    scene.server.script(move |_| crate::support::server::Answer::json(200, &answer));
    // Without the signal the bar would show the old number until tomorrow.
    scene.fetch(&scene.home);
    throughout(Duration::from_millis(1500), "nobody told it", || {
        sway.picture().count([0, 0x60, 0]) > 500
    });
    let answer = usage_of(100, 18);
    scene.server.script(move |_| crate::support::server::Answer::json(200, &answer));
    scene.prompt_that_pushes("waybar", 8, waybar.id());
    sway.wait_for("the new number", |picture| picture.count([0, 0, 255]) > 500);
    assert!(waybar.alive());
}

#[test]
fn every_state_can_be_read_with_the_snippet_s_style() {
    needs!("waybar", "sway", "grim");
    for class in ["ok", "warning", "critical", "exhausted", "unknown", "stale"] {
        let stage = Stage::unprivileged();
        let sway = Sway::start(&stage, 300, BAR, "");
        let text = "Codex 5h 58% left · 7d 83% left, resets in 1h03m";
        let _waybar = sway.waybar(&bar("top", shows(&stage, text, class)), STYLE);
        sway.wait_for("text that can be read", |picture| {
            let module = picture.part(20, 4, 200, BAR - 8);
            !module.is_blank() && module.contrast() >= 4.5
        });
    }
}
