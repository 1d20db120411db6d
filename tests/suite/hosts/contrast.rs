//! Every state in the bars as they are installed, read from the pixels: text differs from what is
//! behind it by 4.5:1 at least. waybar and tmux have such tests of their own.

use super::{Scene, second_home};
use crate::support::home::Home;
use crate::support::hosts::picture::{Colour, Picture};
use crate::support::hosts::wayland::Sway;
use crate::support::hosts::x11::Xvfb;
use crate::support::hosts::{Stage, program, quoted};
use crate::support::server::Server;
use crate::support::usage_of;

/// What WCAG asks of text of this size.
const LEGIBLE: f64 = 4.5;
/// The yellow of a warning, the light red of text in trouble, the red behind it.
const YELLOW: Colour = [0xff, 0xd7, 0x5f];
const LIGHT_RED: Colour = [0xff, 0x87, 0x87];
const RED: Colour = [0xd7, 0, 0];

const WIDTH: usize = 2400;
/// A bar's rows that have text. Bars are higher; what is below them is not theirs.
const TEXT_ROWS: usize = 16;
/// Blank columns between two states. Words are closer together.
const GAP: usize = 30;
/// Columns between two words. Letters are closer together.
const BLANK: usize = 5;

/// A home for each state, in the order in which a bar shows them. All are kept until the end of the
/// test, with their servers.
struct States {
    scene: Scene,
    homes: Vec<(Home, Server)>,
    signed_out: Home,
}

/// The colour that marks each of the states: fine, warning, critical, exhausted, blocked, signed
/// out.
type Marks = [Option<Colour>; 6];

impl States {
    fn on(stage: Stage) -> States {
        let scene = Scene::warm(stage, usage_of(42, 17));
        let mut blocked = usage_of(5, 17);
        blocked["rate_limit"]["allowed"] = false.into();
        let answers = [usage_of(78, 17), usage_of(96, 17), usage_of(100, 17), blocked];
        let homes = answers.into_iter().map(|answer| second_home(&scene, answer)).collect();
        let signed_out = Home::signed_out();
        scene.stage.hand_over(signed_out.path());
        States { scene, homes, signed_out }
    }

    /// A command for each state that prints it for this host.
    fn commands(&self, host: &str) -> Vec<String> {
        std::iter::once(&self.scene.home)
            .chain(self.homes.iter().map(|(home, _)| home))
            .chain([&self.signed_out])
            .map(|home| format!("CODEX_HOME={} codexline {host}", quoted(home.codex_home())))
            .collect()
    }

    /// The arguments of i3blocks with a block for each state, far apart.
    fn i3blocks(&self, host: &str, format: &str) -> String {
        let blocks = self.commands(host).into_iter().enumerate().map(|(place, command)| {
            format!(
                "[state{place}]\ncommand={command}\ninterval=15\nmarkup=pango\n{format}\
                 separator=false\nseparator_block_width={}\n\n",
                2 * GAP
            )
        });
        quoted(self.scene.stage.write(&format!("{host}.conf"), &blocks.collect::<String>()))
    }
}

/// Whether the top row of the picture shows every state, in order, each so that it can be read.
fn all_can_be_read(picture: &Picture, marks: &Marks) -> bool {
    let states = picture.part(0, 0, picture.width, TEXT_ROWS).apart(GAP);
    states.len() == marks.len()
        && states.iter().zip(marks).all(|(state, mark)| {
            let marked = match mark {
                Some(mark) => state.around(*mark),
                None => Some(state.clone()),
            };
            marked.is_some_and(|marked| each_word_can_be_read(&marked))
                && [YELLOW, LIGHT_RED, RED]
                    .iter()
                    .all(|colour| Some(*colour) == *mark || state.count(*colour) == 0)
        })
}

/// A dot between words is so small that none of its pixels has the text's whole colour.
fn each_word_can_be_read(text: &Picture) -> bool {
    let mut words = text.apart(BLANK);
    words.retain(|word| word.width > BLANK);
    !words.is_empty() && words.iter().all(|word| word.contrast() >= LEGIBLE)
}

/// The three lines of i3blocks can colour text only, one JSON object what is behind it as well.
const BLOCKS: [(&str, &str, Marks); 2] = [
    ("i3blocks", "", [None, Some(YELLOW), Some(LIGHT_RED), Some(LIGHT_RED), Some(LIGHT_RED), None]),
    ("swaybar", "format=json\n", [None, Some(YELLOW), Some(RED), Some(RED), Some(RED), None]),
];

/// The i3blocks that knows this block.
fn version(host: &str) -> &'static str {
    if host == "swaybar" { "i3blocks-1.5" } else { "i3blocks" }
}

#[test]
fn every_state_can_be_read_in_stock_i3bar() {
    needs!("i3", "i3bar", "i3blocks", "Xvfb", "import");
    for (host, format, marks) in BLOCKS {
        let Some(i3blocks) = program(version(host)) else { continue };
        let states = States::on(Stage::new());
        let screen = Xvfb::start(&states.scene.stage, WIDTH, 60);
        // i3's own configuration names no colours: those of i3bar are in force.
        let config = format!(
            "# i3 config file (v4)\nbar {{\n position top\n workspace_buttons no\n \
             font pango:DejaVu Sans Mono 10\n status_command {} -c {}\n}}\n",
            i3blocks.display(),
            states.i3blocks(host, format)
        );
        let config = states.scene.stage.write("i3.conf", &config);
        let _i3 = states.scene.stage.start("i3", screen.command("i3").arg("-c").arg(config));
        screen.wait_for("every state", |picture| all_can_be_read(picture, &marks));
    }
}

#[test]
fn every_state_can_be_read_in_stock_swaybar() {
    needs!("sway", "swaybar", "grim", "i3blocks");
    // The bar of Debian's and sway's own configuration has grey behind the text; without one, it
    // is black.
    let stock = std::fs::read_to_string("/etc/sway/config").unwrap_or_default();
    let colours = stock.split_once("    colors {").and_then(|(_, rest)| rest.split_once('}'));
    let colours = colours.map(|(colours, _)| format!("colors {{{colours}}}\n"));
    for colours in [String::new()].into_iter().chain(colours) {
        for (host, format, marks) in BLOCKS {
            let Some(i3blocks) = program(version(host)) else { continue };
            let states = States::on(Stage::unprivileged());
            let bar = format!(
                "bar {{\n position top\n workspace_buttons no\n font pango:DejaVu Sans Mono 10\n \
                 status_command {} -c {}\n {colours}}}\n",
                i3blocks.display(),
                states.i3blocks(host, format)
            );
            let sway = Sway::start(&states.scene.stage, WIDTH, 60, &bar);
            sway.wait_for("every state", |picture| all_can_be_read(picture, &marks));
        }
    }
}

#[test]
fn every_state_can_be_read_in_stock_polybar() {
    needs!("polybar", "Xvfb", "import");
    let states = States::on(Stage::new());
    // Its example is what polybar starts with: the colours are taken from there.
    let stock = std::fs::read_to_string("/etc/polybar/config.ini").unwrap_or_default();
    let colour = |name: &str, usual: &str| {
        let found =
            stock.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_prefix('='));
        found.map_or(usual, str::trim).to_owned()
    };
    let (background, foreground) =
        (colour("background", "#282A2E"), colour("foreground", "#C5C8C6"));
    let commands = states.commands("polybar");
    let names: Vec<String> = (0..commands.len()).map(|place| format!("state{place}")).collect();
    let modules = names.iter().zip(&commands).map(|(name, command)| {
        // Of modules that answer at the same moment polybar may draw one: they answer again.
        format!("[module/{name}]\ntype = custom/script\nexec = {command}\ninterval = 1\n")
    });
    let config = format!(
        "[bar/main]\nwidth = 100%\nheight = 24\nfont-0 = DejaVu Sans Mono:size=10;2\n\
         background = {background}\nforeground = {foreground}\nmodule-margin = 4\n\
         modules-left = {}\n{}",
        names.join(" "),
        modules.collect::<String>()
    );
    let config = states.scene.stage.write("polybar.ini", &config);
    let screen = Xvfb::start(&states.scene.stage, WIDTH, 24);
    let mut polybar = screen.command("polybar");
    let _polybar = states.scene.stage.start("polybar", polybar.arg("-c").arg(config).arg("main"));
    let marks = [None, Some(YELLOW), Some(RED), Some(RED), Some(RED), None];
    screen.wait_for("every state", |picture| all_can_be_read(picture, &marks));
}
