//! The hosts: one file each for what is peculiar to it, one row each in [`HOSTS`].

mod i3blocks;
mod json;
mod plain;
mod starship;
mod tmux;
mod waybar;

use crate::render::style::Markup;
use crate::view::View;
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
    /// What `--color auto` means.
    pub colour: AutoColour,
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
    pub view: &'a View,
    pub coloured: bool,
}

/// Every host; `plain` is the default.
pub const HOSTS: &[&Host] =
    &[&plain::HOST, &starship::HOST, &tmux::HOST, &waybar::HOST, &i3blocks::HOST, &json::HOST];

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
