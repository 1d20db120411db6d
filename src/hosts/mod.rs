//! The hosts: one file each for what is peculiar to it, one row each in [`HOSTS`].

mod bash;
mod claude_code;
mod fish;
mod i3blocks;
mod i3status_rust;
pub(crate) mod json;
mod plain;
mod polybar;
mod powerlevel10k;
mod starship;
mod swaybar;
mod swiftbar;
mod tmux;
mod waybar;
mod zjstatus;
mod zsh;

use crate::model::view::View;
use crate::render::colour::{Colour, Palette, TERMINAL, TEXT_ONLY};
use crate::render::line::render_short;
use crate::render::options::LineOptions;
use crate::render::page::{self, NARROW, PageOptions};
use crate::render::style::{Markup, escape_pango, paint_ansi, paint_pango, uncoloured, verbatim};
use std::time::Duration;

/// A program (or person) that shows the line.
pub struct Host {
    /// The argument that selects it.
    pub name: &'static str,
    /// For `--help`.
    pub about: &'static str,
    /// How long it may be kept waiting for fresh numbers, if `--wait` does not say.
    pub wait: Wait,
    pub markup: Markup,
    /// Its colours, if `--colors` does not say.
    pub palette: Palette,
    /// What `--color auto` means.
    pub colour: AutoColour,
    /// The envelope tells local time: finding the zone out costs a file or two.
    pub needs_zone: bool,
    /// The envelope tells what was done today, which has to be counted.
    pub tells_today: bool,
    /// The envelope tells of everything, pools and budget too.
    pub tells_everything: bool,
    /// It speaks i3blocks' protocol: clicks and the window by environment, urgency by exit status.
    pub is_block: bool,
    /// Puts the line into the form that the host reads; ends with a line feed.
    pub envelope: fn(&Output) -> String,
}

/// The default of `--wait`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    Never,
    /// Whenever the numbers are stale.
    Always(Duration),
    /// Only while there is nothing to show.
    WhenEmpty(Duration),
}

/// When a host gets colours without being told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AutoColour {
    /// It has colours of its own, by class.
    Never,
    /// Unless `NO_COLOR` is set.
    Always,
    /// If standard output is a terminal, unless `NO_COLOR` is set.
    OnTerminal,
}

/// What a host puts into its envelope.
pub struct Output<'a> {
    /// The line, in the host's markup, without its end. Holds no line break.
    pub text: &'a str,
    /// What is shown: one, or one for each account.
    pub views: &'a [View],
    /// The worst of them: the one that colours and classes go by.
    pub view: &'a View,
    pub coloured: bool,
    /// What the line was made with.
    pub style: &'a LineOptions<'a>,
    /// The user wants the bar to cry out, and there is reason to.
    pub is_urgent: bool,
}

impl Output<'_> {
    /// All that there is to know, for a tooltip or a menu.
    fn page(&self) -> Vec<page::Line> {
        let options = PageOptions {
            columns: NARROW,
            lines: None,
            is_tooltip: true,
            glyphs: self.style.glyphs,
            show: self.style.show,
            thresholds: self.style.thresholds,
            zone: self.style.zone,
        };
        page::page(self.views, &options)
    }

    /// The short form of the line, in the host's markup.
    fn short(&self) -> String {
        render_short(std::slice::from_ref(self.view), self.style)
    }

    /// The colour of all of it as `#rrggbb`; `None` for the host's own.
    fn colour(&self) -> Option<String> {
        let style = self.style.style(self.view.severity);
        style.colour.filter(|_| self.coloured).map(Colour::hex)
    }

    /// The same of what is behind it.
    fn background(&self) -> Option<String> {
        let style = self.style.style(self.view.severity);
        style.background.filter(|_| self.coloured).map(Colour::hex)
    }
}

/// Shows everything as it is.
const PLAIN_MARKUP: Markup =
    Markup { escape: verbatim, paint: uncoloured, without_colours: uncoloured };

/// What most prompts want: at once, a plain line, ANSI. The name is for each to give.
const PROMPT: Host = Host {
    name: "",
    about: "",
    wait: Wait::Never,
    markup: Markup { paint: paint_ansi, ..PLAIN_MARKUP },
    palette: TERMINAL,
    colour: AutoColour::Always,
    needs_zone: false,
    tells_today: false,
    tells_everything: false,
    is_block: false,
    envelope: bare,
};

/// What most bars want: they wait a few seconds without harm, and know Pango.
const BAR: Host = Host {
    wait: Wait::Always(Duration::from_secs(3)),
    markup: Markup { escape: escape_pango, paint: paint_pango, without_colours: uncoloured },
    palette: TEXT_ONLY,
    ..PROMPT
};

/// Every host; `plain` is the default.
pub const HOSTS: &[&Host] = &[
    &plain::HOST,
    &starship::HOST,
    &tmux::HOST,
    &waybar::HOST,
    &i3blocks::HOST,
    &swaybar::HOST,
    &i3status_rust::HOST,
    &polybar::HOST,
    &bash::HOST,
    &zsh::HOST,
    &powerlevel10k::HOST,
    &fish::HOST,
    &claude_code::HOST,
    &swiftbar::HOST,
    &zjstatus::HOST,
    &json::HOST,
];

/// The host that is used if none is named.
pub const DEFAULT: &Host = &plain::HOST;

/// The host of this name.
pub fn find(name: &str) -> Option<&'static Host> {
    HOSTS.iter().copied().find(|host| host.name == name)
}

/// The line and its end: for hosts that take plain lines.
fn bare(output: &Output) -> String {
    let mut line = String::with_capacity(output.text.len() + 1);
    line.push_str(output.text);
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::entry::{Answer, Source};
    use crate::model::show::Show;
    use crate::model::time::Timestamp;
    use crate::model::usage::{Thresholds, Usage, Window};
    use crate::render::colour;
    use crate::render::glyphs::UNICODE;
    use crate::render::line::render;
    use crate::render::options::Templates;
    use crate::render::template::{Template, TemplateKind};
    use jiff::tz::TimeZone;

    // Sunday 2026-11-22 15:00 UTC.
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    /// What a host is given for a plan of this name with one window this full, by `--colors`.
    #[track_caller]
    pub fn check(host: &Host, colors: &str, plan: &str, used: f64, expected: &str) {
        let window = Window {
            seconds: Some(18_000),
            slot: None,
            used,
            resets_at: Some(NOW.plus(3780)),
            started: true,
        };
        let usage = Usage { plan: Some(plan.into()), windows: vec![window], ..Usage::default() };
        let thresholds = Thresholds { warn: 70.0, critical: 90.0 };
        let answer =
            Answer { fetched_at: NOW.plus(-41), source: Source::Api, asked_at: None, usage };
        let view = View::of_answer(&answer, NOW, thresholds);
        let changes = if colors.is_empty() { Vec::new() } else { colour::parse(colors).unwrap() };
        let coloured = host.colour != AutoColour::Never;
        let style = LineOptions {
            templates: Some(Templates {
                line: &Template::parse("{plan} {windows}", TemplateKind::Line).unwrap(),
                window: &Template::parse("{label} {used}", TemplateKind::Window).unwrap(),
            }),
            separator: " · ",
            icon: None,
            show: Show::Left,
            always_resets: false,
            glyphs: &UNICODE,
            thresholds,
            markup: host.markup.in_colours(coloured),
            palette: host.palette.with(&changes),
            zone: Some(&TimeZone::UTC),
        };
        let text = render(std::slice::from_ref(&view), &style);
        let output = Output {
            text: &text,
            views: std::slice::from_ref(&view),
            view: &view,
            coloured,
            style: &style,
            is_urgent: false,
        };
        assert_eq!((host.envelope)(&output), expected);
    }

    #[test]
    fn every_host_has_a_name_of_its_own() {
        for host in HOSTS {
            assert_eq!(
                HOSTS.iter().filter(|other| other.name == host.name).count(),
                1,
                "{}",
                host.name
            );
            assert!(!host.name.is_empty() && !host.about.is_empty());
        }
    }

    #[test]
    fn prompts_take_text_as_it_is() {
        for host in [&plain::HOST, &starship::HOST, &fish::HOST, &claude_code::HOST] {
            check(host, "", "5% #S <b>", 42.0, "5% #S <b> 5h 42%\n");
            let marked = "plus \x1b[38;5;16;48;5;220m5h 75%\x1b[0m\n";
            check(host, "", "plus", 75.0, marked);
            check(host, "ok=208", "plus", 42.0, "plus \x1b[38;5;208m5h 42%\x1b[0m\n");
        }
    }
}
