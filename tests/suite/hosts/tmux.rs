//! tmux's status line, seen by clients.

use super::{HOSTILE, LINE, Scene, WINDOWS, plan};
use crate::support::hosts::tmux::Tmux;
use crate::support::hosts::x11::Xvfb;
use crate::support::hosts::{Stage, throughout, until};
use crate::support::usage;
use std::time::Duration;

const SNIPPET: &str = include_str!("../../../integrations/tmux/tmux.conf");

/// The snippet behind a bar of one's own, which is drawn each second.
fn config(snippet: &str) -> String {
    format!(
        "set -g status-interval 1\nset -g status-left 'LEFT '\n\
         set -g status-right 'MINE %H:%M'\n{snippet}"
    )
}

/// The snippet with arguments behind `codexline tmux`, and `END` and a clock behind it.
fn with_arguments(arguments: &str) -> String {
    let changed = SNIPPET
        .replace("codexline tmux) ", &format!("codexline tmux {arguments}) END #(date +%%s)"));
    assert!(changed.contains(arguments) && changed.contains("END"), "the snippet has another form");
    changed
}

#[test]
fn the_number_is_in_the_bar_of_every_client() {
    needs!("tmux");
    let scene = Scene::warm(Stage::new(), usage());
    let tmux = Tmux::start(&scene.stage, &config(SNIPPET));
    let one = tmux.attach("one", 120, 5);
    let two = tmux.attach("two", 80, 5);
    for client in [&one, &two] {
        let shown = client.wait_for(LINE);
        // What was there before is still there, in front of the line.
        let (before, _) = shown.split_once(LINE).unwrap();
        let clock = before.rsplit("MINE ").next().unwrap();
        assert!(clock.contains(':') && clock.trim().len() == 5, "no clock in front:\n{shown}");
    }
    // The bar's own colours: black on green.
    assert!(one.coloured().contains(&format!(" {LINE}")), "{:?}", one.coloured());
    assert_eq!(scene.requests(), 1, "the numbers were fresh");
}

#[test]
fn trouble_brings_its_own_background() {
    needs!("tmux");
    let scene = Scene::warm(Stage::new(), usage());
    let tmux = Tmux::start(&scene.stage, &config(&with_arguments("--warn 40")));
    let client = tmux.attach("client", 120, 5);
    client.wait_for("5h 58% left, resets in 1h03m · 7d 83% left END");
    let coloured = client.coloured();
    assert!(coloured.contains("\x1b[38;5;16m\x1b[48;5;220m5h 58% left\x1b["), "{coloured:?}");
    assert!(coloured.contains("m, resets in 1h03m · 7d 83% left END"), "{coloured:?}");
}

#[test]
fn hostile_names_are_text() {
    needs!("tmux");
    let scene = Scene::warm(Stage::new(), plan(HOSTILE));
    let snippet = with_arguments("--format \"{plan} {windows}\"").replace("120", "150");
    let tmux = Tmux::start(&scene.stage, &config(&snippet));
    let client = tmux.attach("client", 160, 5);
    let shown = client.wait_for(&format!("{WINDOWS} END"));
    assert!(shown.contains(&format!("{HOSTILE} {WINDOWS} END")), "{shown}");
    assert!(shown.contains("LEFT"), "{shown}");
    assert!(!scene.was_tricked());
}

#[test]
fn signed_out_is_a_word() {
    needs!("tmux");
    let scene = Scene::signed_out(Stage::new());
    let tmux = Tmux::start(&scene.stage, &config(&with_arguments("")));
    let client = tmux.attach("client", 120, 5);
    let shown = client.wait_for("Codex: signed out END");
    assert!(shown.contains("LEFT"), "{shown}");
}

#[test]
fn a_hanging_network_does_not_hold_the_bar() {
    needs!("tmux");
    let (scene, gate) = Scene::hanging(Stage::new());
    let tmux = Tmux::start(&scene.stage, &config(&with_arguments("")));
    let client = tmux.attach("client", 120, 5);
    client.wait_for("Codex: loading END 1");
    scene.server.wait_for(crate::support::USAGE, 1);
    let clock = |shown: &str| shown.rsplit("END ").next().unwrap_or_default().trim().to_owned();
    let before = clock(&client.text());
    let mut after = before.clone();
    throughout(Duration::from_millis(3500), "the bar stays as it is, but for the clock", || {
        let shown = client.text();
        after = clock(&shown);
        // After a second without output tmux says `<'…' not ready>`.
        shown.contains("Codex: loading END") && !shown.contains("not ready")
    });
    assert_ne!(before, after, "the bar was not drawn any more");
    gate.open();
    client.wait_for(LINE);
    assert_eq!(scene.requests(), 1);
}

#[test]
fn the_plugin_replaces_its_word_and_takes_options() {
    needs!("tmux");
    let scene = Scene::warm(Stage::new(), plan("it's 50% #S (y"));
    let plugin = concat!(env!("CARGO_MANIFEST_DIR"), "/integrations/tmux/codexline.tmux");
    let config = format!(
        "set -g status-interval 1\nset -g status-right-length 150\nset -g status-left-length 50\n\
         set -g status-left '#{{codexline}} L '\n\
         set -g status-right 'A #{{codexline}} B #{{codexline}} C'\n\
         set -g @codexline_format \"{{plan}} $ it's 100% %H (x \"\n\
         set -g @codexline_color never\nset -g @codexline_offline 1\nrun-shell {}\n",
        crate::support::hosts::quoted(plugin)
    );
    let tmux = Tmux::start(&scene.stage, &config);
    let client = tmux.attach("client", 200, 5);
    let line = "it's 50% #S (y $ it's 100% %H (x ";
    client.wait_for(&format!("A {line} B {line} C"));
    client.wait_for(&format!("{line} L"));
    assert!(tmux.run(&["set", "-g", "@codexline_format", "{7d.used}"]).success);
    client.wait_for("A 17% B 17% C");
}

#[test]
fn a_fetch_pushes_the_line_into_the_bar() {
    needs!("tmux");
    let scene = Scene::warm(Stage::new(), plan("100% #S"));
    // The bar is never redrawn by itself, and runs no command.
    let tmux = Tmux::start(
        &scene.stage,
        "set -g status-interval 0\nset -g status-right-length 80\n\
         set -g status-right '#{@codexline} END'\n",
    );
    let client = tmux.attach("client", 120, 5);
    client.wait_for("END");
    let socket = crate::support::hosts::quoted(scene.stage.path("tmux.socket"));
    let push = format!(
        "tmux -S {socket} set -g @codexline \"$(codexline tmux --format '{{plan}} {{windows}}')\""
    );
    let ran =
        scene.stage.run(scene.stage.command("codexline").args(["fetch", "--on-fetch", &push]));
    assert!(ran.success, "{ran:?}");
    client.wait_for(&format!("100% #S {WINDOWS} END"));
    assert_eq!(scene.requests(), 2);
}

const PUSHED: &str = include_str!("../../../integrations/tmux/push.conf");

/// Every start of codexline by tmux is written down here.
fn log(scene: &Scene) -> String {
    std::fs::read_to_string(scene.stage.path("starts")).unwrap_or_default()
}

#[test]
fn with_push_a_fetch_changes_the_bar_and_the_bar_asks_only_when_nobody_does() {
    needs!("tmux");
    // The last character would end the command of tmux that it stands in.
    let name = HOSTILE.replace("x)", "x;");
    let mut scene = Scene::warm(Stage::new(), plan(&name));
    scene.stage.set("CODEXLINE_FORMAT", "{5h.used} {plan}");
    scene.stage.set("CODEXLINE_MAX_AGE", "10m");
    let program = env!("CARGO_BIN_EXE_codexline");
    let script = format!("echo \"$*\" >>\"$HOME/starts\"; exec {program} \"$@\"");
    let counting = scene.stage.script("counting", &script);
    let snippet = PUSHED.replace("codexline tmux", &format!("{} tmux", counting.to_str().unwrap()));
    let config = format!(
        "set -g status-interval 1\nset -g status-left 'LEFT '\n\
         set -g status-right 'MINE %S'\n{}set -ga status-right ' END'\n",
        snippet.replace("length 120", "length 150")
    );
    let tmux = Tmux::start(&scene.stage, &config);
    let client = tmux.attach("client", 200, 5);
    let shown = client.wait_for(&format!("42% {name}  END"));
    assert!(shown.contains("LEFT") && shown.contains("MINE "), "{shown}");
    let starts = log(&scene).lines().count();
    // Drawn again and again, and nothing is started.
    let clock = |shown: &str| shown.split_once("MINE ").map(|(_, rest)| rest[..2].to_owned());
    for _ in 0..3 {
        let before = clock(&client.text());
        client.wait_until("a new second", |shown| clock(shown) != before);
    }
    assert_eq!(log(&scene).lines().count(), starts, "{}", log(&scene));
    assert_eq!(scene.requests(), 1);

    // A worker behind a prompt in one of the panes: the bar shows it at once, and asks nobody.
    let variable = |name: &str| {
        let ran = tmux.run(&["show-environment", "-g", name]);
        ran.stdout.trim_end().split_once('=').expect("a variable").1.to_owned()
    };
    let push = variable("CODEXLINE_ON_FETCH");
    let socket = tmux.run(&["display-message", "-p", "#{socket_path},#{pid},0"]).stdout;
    scene.server.always(crate::support::server::Answer::json(200, &{
        let mut answer = crate::support::usage_of(77, 17);
        answer["plan_type"] = "$(id>x)`id>x`%H\\".into();
        answer
    }));
    let mut prompt = scene.stage.command("codexline");
    prompt.args(["fetch"]).env("CODEXLINE_ON_FETCH", push).env("TMUX", socket.trim());
    assert!(scene.stage.run(&mut prompt).success);
    client.wait_for("77% $(id>x)`id>x`%H\\  END");
    assert_eq!(log(&scene).lines().count(), starts + 1, "{}", log(&scene));
    assert!(log(&scene).lines().all(|line| line == "tmux --ttl"), "{}", log(&scene));

    // Nothing else asks: the bar does once the line's time is over, or the clock was set back.
    for (option, value) in [("@codexline_until", "1"), ("@codexline_at", "9999999999")] {
        let starts = log(&scene).lines().count();
        assert!(tmux.run(&["set", "-g", option, value]).success);
        until("the bar to ask", || (log(&scene).lines().count() > starts).then_some(()));
        until("a new time", || {
            let shown = tmux.run(&["show", "-gv", option]).stdout;
            (shown.trim() != value).then_some(())
        });
    }
    assert!(!scene.was_tricked());
}

#[test]
fn with_push_the_bar_fetches_by_itself() {
    needs!("tmux");
    let scene = Scene::warm(Stage::new(), usage());
    scene.home.age(Duration::from_secs(2000));
    scene
        .server
        .always(crate::support::server::Answer::json(200, &crate::support::usage_of(77, 17)));
    let config = format!("set -g status-interval 1\nset -g status-right ''\n{PUSHED}");
    let tmux = Tmux::start(&scene.stage, &config);
    let client = tmux.attach("client", 160, 5);
    client.wait_for("5h 23% left");
    assert_eq!(scene.requests(), 2);
    // A second reading of the file changes nothing.
    let path = scene.stage.path("tmux.conf");
    assert!(tmux.run(&["set", "-g", "status-right", "MINE"]).success);
    for _ in 0..2 {
        assert!(tmux.run(&["source-file", path.to_str().unwrap()]).success);
        let value = tmux.run(&["show", "-gv", "status-right"]).stdout;
        assert_eq!(value.matches("eval").count(), 1, "{value}");
    }
}

/// Fine has the colours of the bar or the terminal; trouble brings its own, 220 and 160 of 256.
#[test]
fn every_state_can_be_read_in_stock_tmux_and_in_a_white_and_a_black_terminal() {
    needs!("tmux", "xterm", "Xvfb", "xdotool", "import");
    const YELLOW: [u8; 3] = [0xff, 0xd7, 0];
    const RED: [u8; 3] = [0xd7, 0, 0];
    for (used, mark) in [(42, None), (78, Some(YELLOW)), (96, Some(RED)), (100, Some(RED))] {
        let scene = Scene::warm(Stage::new(), crate::support::usage_of(used, 17));
        let screen = Xvfb::start(&scene.stage, 1200, 60);
        let snippet = concat!(env!("CARGO_MANIFEST_DIR"), "/integrations/tmux/tmux.conf");
        let tmux = Tmux::start(
            &scene.stage,
            &format!("source-file {}", crate::support::hosts::quoted(snippet)),
        );
        let line = "printf %s \"$(codexline --color always)\"; sleep 60".to_owned();
        for (colours, rows, command) in [
            (["white", "black"], 1, &line),
            (["black", "white"], 1, &line),
            (["black", "white"], 2, &tmux.attach_command()),
        ] {
            let terminal = screen.terminal_in(colours, 100, rows, command);
            let (width, height) = screen.terminal_size();
            screen.wait_for(&format!("{used}% used, legible in {command}"), |picture| {
                // Without the border, and of two rows the lower one.
                let row = (height - 12) / rows;
                let shown = picture.part(6, height - 6 - row, width - 12, row);
                let shown = match mark {
                    Some(mark) => shown.around(mark),
                    None if rows == 2 => Some(shown.part(shown.width - 260, 0, 260, row)),
                    // Without the place where the cursor stands before the line is there.
                    None => Some(shown.part(30, 0, 230, row)),
                };
                shown.is_some_and(|shown| shown.contrast() >= 4.5)
            });
            drop(terminal);
        }
    }
}
