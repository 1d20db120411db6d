//! The pictures, one function for each host or a few that are alike.

use crate::support::hosts::claude_code;
use crate::support::hosts::picture::{Colour, Picture};
use crate::support::hosts::scene::Scene;
use crate::support::hosts::terminal::shell;
use crate::support::hosts::tmux::Tmux;
use crate::support::hosts::wayland::Sway;
use crate::support::hosts::x11::Xvfb;
use crate::support::hosts::{Stage, quoted};
use crate::support::needs::program;
use crate::support::usage_of;
use std::path::Path;
use std::time::{Duration, Instant};

const STARSHIP: &str = include_str!("../../integrations/starship/starship.toml");
const TMUX: &str = include_str!("../../integrations/tmux/tmux.conf");
const BASH: &str = include_str!("../../integrations/bash/codexline.bash");
const ZSH: &str = include_str!("../../integrations/zsh/codexline.zsh");
const FISH: &str = include_str!("../../integrations/fish/codexline.fish");
const WAYBAR: &str = include_str!("../../integrations/waybar/config.jsonc");
const WAYBAR_STYLE: &str = include_str!("../../integrations/waybar/style.css");
const I3BLOCKS: &str = include_str!("../../integrations/i3blocks/i3blocks.conf");
const I3STATUS: &str = include_str!("../../integrations/i3status-rust/config.toml");
const CLAUDE: &str = include_str!("../../integrations/claude-code/settings.json");
const POLYBAR: &str = include_str!("../../integrations/polybar/config.ini");

/// Small enough for a README on a telephone.
const WIDTH: usize = 620;
const MOST_BYTES: u64 = 60_000;

/// The warning's colour in a terminal: number 220 of 256.
const YELLOW: Colour = [0xff, 0xd7, 0];
/// What the terminal leaves free around its text.
const BORDER: usize = 6;

/// A warning and an easy week: two colours where the host has them.
fn scene(stage: Stage) -> Scene {
    Scene::warm(stage, usage_of(78, 17))
}

/// What can be taken, by name.
pub const PICTURES: [(&str, fn()); 8] = [
    ("terminal", terminal),
    ("prompts", prompts),
    ("tmux", tmux),
    ("waybar", waybar_with_its_tooltip),
    ("i3blocks", i3bar_and_swaybar),
    ("i3status-rust", i3status_rust),
    ("claude-code", claude_code),
    ("polybar", polybar),
];

/// Stops with the name of the first of these programs that is not installed.
fn require(programs: &[&str]) {
    for name in programs {
        assert!(program(name).is_some(), "{name} is not installed; .ci/hosts installs it");
    }
}

/// Writes `integrations/HOST/picture.png`.
fn keep(host: &str, picture: &Picture) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations");
    let path = directory.join(host).join("picture.png");
    picture.write(&path);
    let size = std::fs::metadata(&path).expect("it was just written").len();
    assert!(size < MOST_BYTES, "{}: {size} bytes", path.display());
}

/// The first picture that has been the same for a while and is not blank: all that had to be drawn
/// is drawn.
fn at_rest(take: impl Fn() -> Picture) -> Picture {
    let mut since = Instant::now();
    let mut last = take();
    crate::support::hosts::until("a picture at rest", || {
        let next = take();
        if next != last || next.is_blank() {
            since = Instant::now();
            last = next;
        }
        (since.elapsed() > Duration::from_millis(1200)).then(|| last.clone())
    })
}

/// What `command` shows in a terminal of that size.
fn in_terminal(stage: &Stage, columns: usize, rows: usize, command: &str) -> Picture {
    let screen = Xvfb::start(stage, 1200, 500);
    let _terminal = screen.terminal(columns, rows, command);
    let (width, height) = screen.terminal_size();
    screen.wait_for("the line", |picture| picture.count(YELLOW) > 8);
    at_rest(|| screen.picture().part(0, 0, width, height))
}

/// `integrations/picture.png`, on top of the README.
fn terminal() {
    require(&["xterm", "Xvfb", "import", "xdotool"]);
    let scene = scene(Stage::new());
    let typed = |line: &str| format!("printf '\\033[36m$\\033[0m {line}\\n'; {line};");
    let script = format!(
        "{} {} {} printf '$ '; sleep 60",
        typed("codexline"),
        typed("codexline --short"),
        typed("codexline status")
    );
    keep(".", &in_terminal(&scene.stage, 80, 10, &format!("sh -c {}", quoted(&script))));
}

fn prompts() {
    require(&["xterm", "Xvfb", "import", "xdotool", "starship", "zsh", "fish"]);
    let mut scene = scene(Stage::new());
    let config = format!(
        "format = \"[~/project](bold cyan) on [main](bold purple) \
         ${{custom.codexline}}\\n$character\"\n\
         add_newline = false\n{STARSHIP}"
    );
    scene.stage.set("STARSHIP_CONFIG", scene.stage.write("starship.toml", &config));
    let start = shell(&scene.stage, "bash", "eval \"$(starship init bash)\"\n");
    keep("starship", &in_terminal(&scene.stage, 72, 3, &start));
    let left = "PROMPT='%F{cyan}~/project%f %% '\n";
    for (host, setup) in [
        ("bash", format!("PS1='\\[\\e[36m\\]~/project\\[\\e[0m\\]$ '\n{BASH}")),
        ("zsh", format!("{left}{ZSH}")),
        (
            "fish",
            format!(
                "function fish_prompt; set_color cyan; echo -n '~/project'; \
                 set_color normal; echo -n '> '; end\n{FISH}"
            ),
        ),
    ] {
        let start = shell(&scene.stage, host, &setup);
        // zsh shows nothing on the right in a terminal of fewer lines.
        keep(host, &in_terminal(&scene.stage, 66, 3, &start));
    }
}

fn tmux() {
    require(&["xterm", "Xvfb", "import", "xdotool", "tmux"]);
    let scene = scene(Stage::new());
    let tmux = Tmux::start(&scene.stage, TMUX);
    // Otherwise the name of this machine stands in tmux's own status-right.
    tmux.run(&["select-pane", "-T", "project"]);
    keep("tmux", &in_terminal(&scene.stage, 100, 2, &tmux.attach_command()));
}

fn waybar_with_its_tooltip() {
    require(&["waybar", "sway", "grim", "Xvfb", "xdotool", "import"]);
    const HEIGHT: usize = 226;
    const BAR: usize = 30;
    let scene = scene(Stage::unprivileged());
    let screen = Xvfb::start(&scene.stage, WIDTH, HEIGHT);
    let sway = Sway::in_window(&screen, &scene.stage, WIDTH, HEIGHT, "");
    let lines = WAYBAR.lines().filter(|line| !line.trim_start().starts_with("//"));
    let module = lines.collect::<Vec<_>>().join("\n");
    let config = format!(
        "{{ \"height\": 30, \"modules-left\": [\"custom/codexline\"], \
         \"modules-right\": [\"custom/clock\"], \
         \"custom/clock\": {{ \"exec\": \"date +%H:%M\" }}, {module} }}"
    );
    let stock = std::fs::read_to_string("/etc/xdg/waybar/style.css").expect("waybar's own style");
    let style = format!("{stock}\n{WAYBAR_STYLE}\n#custom-clock {{ padding: 0 10px; }}");
    let config = serde_json::from_str(&config).expect("the snippet is JSON");
    let _waybar = sway.waybar(&config, &style);
    sway.wait_for("the line", |picture| !picture.part(0, 0, WIDTH, BAR).is_blank());
    let pointed = std::cell::Cell::new(None::<Instant>);
    sway.wait_for("the tooltip", |picture| {
        if pointed.get().is_none_or(|at| at.elapsed() > Duration::from_secs(2)) {
            screen.point_at(40, 15);
            pointed.set(Some(Instant::now()));
        }
        !picture.part(0, BAR, WIDTH, HEIGHT - BAR).is_blank()
    });
    keep("waybar", &at_rest(|| sway.picture()));
}

/// A bar's configuration for i3 and sway, with a clock beside codexline.
fn bar(stage: &Stage) -> String {
    let blocks = stage
        .write("blocks.conf", &format!("{I3BLOCKS}\n[clock]\ncommand=date +%H:%M\ninterval=60\n"));
    format!(
        "bar {{\n position top\n font pango:DejaVu Sans Mono 10\n \
         status_command i3blocks -c {}\n}}\n",
        quoted(blocks)
    )
}

/// The rows of a bar at the top, down to where the screen's own colour begins.
fn bar_alone(picture: &Picture, height: usize) -> Picture {
    picture.part(0, 0, picture.width, height)
}

fn i3bar_and_swaybar() {
    require(&["i3", "i3bar", "i3blocks", "Xvfb", "import", "sway", "swaybar", "grim"]);
    let first = scene(Stage::new());
    let screen = Xvfb::start(&first.stage, WIDTH, 60);
    let config =
        first.stage.write("i3.conf", &format!("# i3 config file (v4)\n{}", bar(&first.stage)));
    let _i3 = first.stage.start("i3", screen.command("i3").arg("-c").arg(config));
    keep("i3blocks", &bar_alone(&at_rest(|| screen.picture()), 24));
    let second = scene(Stage::unprivileged());
    let sway = Sway::start(&second.stage, WIDTH, 60, &bar(&second.stage));
    keep("swaybar", &bar_alone(&at_rest(|| sway.picture()), 24));
}

fn i3status_rust() {
    require(&["i3", "i3bar", "i3status-rs", "Xvfb", "import"]);
    let scene = scene(Stage::new());
    // The theme `plain`. i3status-rust has it, but installs it only with a package.
    let colours = [
        ("idle", "93a1a1"),
        ("info", "93a1a1"),
        ("good", "859900"),
        ("warning", "b58900"),
        ("critical", "dc322f"),
    ];
    let theme: String = colours
        .iter()
        .map(|(state, colour)| format!("{state}_bg = \"#000000\"\n{state}_fg = \"#{colour}\"\n"))
        .collect();
    let theme = scene.stage.write("theme.toml", &format!("{theme}separator = \"|\"\n"));
    let clock = "[[block]]\nblock = \"custom\"\ncommand = \"date +%H:%M\"\ninterval = 60\n";
    let config =
        scene.stage.write("i3status.toml", &format!("theme.theme = {theme:?}\n{I3STATUS}{clock}"));
    let screen = Xvfb::start(&scene.stage, WIDTH, 60);
    let config = format!(
        "# i3 config file (v4)\nbar {{\n position top\n font pango:DejaVu Sans Mono 10\n \
         status_command i3status-rs {}\n}}\n",
        quoted(config)
    );
    let config = scene.stage.write("i3.conf", &config);
    let _i3 = scene.stage.start("i3", screen.command("i3").arg("-c").arg(config));
    keep("i3status-rust", &bar_alone(&at_rest(|| screen.picture()), 24));
}

fn claude_code() {
    require(&["xterm", "Xvfb", "import", "xdotool", "claude"]);
    let scene = scene(Stage::new());
    let start = claude_code::command(&scene.stage, CLAUDE);
    let rows = 16;
    let whole = in_terminal(&scene.stage, 66, rows, &start);
    // From the field in which one types to the line below it; what it says on top is of the day and
    // of this place.
    let row = (whole.height - 2 * BORDER) / rows;
    let line = whole.part(0, whole.height - BORDER - 5 * row, whole.width, 4 * row);
    assert!(line.count(YELLOW) > 8, "the line stands somewhere else");
    keep("claude-code", &line);
}

fn polybar() {
    require(&["polybar", "Xvfb", "import"]);
    let scene = scene(Stage::new());
    // Of two modules that answer at the same moment polybar may draw one. The clock answers again.
    let config = format!(
        "[bar/main]\nwidth = 100%\nheight = 26\nfont-0 = DejaVu Sans Mono:size=10;2\n\
         background = #282a2e\nforeground = #c5c8c6\npadding = 1\n\
         modules-left = codexline\nmodules-right = clock\n{POLYBAR}\n\
         [module/clock]\ntype = custom/script\nexec = date +%H:%M\ninterval = 1\n"
    );
    let config = scene.stage.write("polybar.ini", &config);
    let screen = Xvfb::start(&scene.stage, WIDTH, 26);
    let _polybar =
        scene.stage.start("polybar", screen.command("polybar").arg("-c").arg(config).arg("main"));
    screen.wait_for("the clock", |picture| !picture.part(WIDTH - 60, 4, 60, 18).is_blank());
    keep("polybar", &at_rest(|| screen.picture()));
}
