//! From views to what the host is given: the line, in the host's envelope.

use crate::config::settings::{Icon, ResetTimes, Settings};
use crate::hosts::{AutoColour, Output};
use crate::io::env::Env;
use crate::model::usage::Severity;
use crate::model::view::View;
use crate::render::colour::PLAIN;
use crate::render::line::{render, render_short};
use crate::render::options::{LineOptions, Templates};
use crate::render::template::Template;
use jiff::tz::TimeZone;

/// What the host is given for one or several views.
pub fn compose(settings: &Settings, env: &Env, views: &[View]) -> String {
    compose_in(zone(settings, env, views).as_ref(), settings, env, views)
}

/// The local time zone, if it is needed. Finding it out costs a file or two.
pub(super) fn zone(settings: &Settings, env: &Env, views: &[View]) -> Option<TimeZone> {
    let needs_zone =
        |template: &Option<Template>| template.as_ref().is_some_and(Template::needs_zone);
    let needs_zone =
        settings.host.needs_zone || needs_zone(&settings.format) || needs_zone(&settings.window);
    let has_numbers = views.iter().any(|view| view.usage.is_some());
    (needs_zone && has_numbers).then(|| env.zone())
}

/// The same in a known time zone.
pub(super) fn compose_in(
    zone: Option<&TimeZone>,
    settings: &Settings,
    env: &Env,
    views: &[View],
) -> String {
    let host = settings.host;
    let is_wanted = match host.colour {
        AutoColour::Never => false,
        AutoColour::Always => true,
        AutoColour::OnTerminal => env.stdout_is_terminal,
    };
    let coloured = settings.color.applies(is_wanted, env);
    let templates = settings.templates();
    let mut palette = if coloured { host.palette.with(&settings.colors) } else { host.palette };
    // Where nothing is fine as a whole, no part has the colour of what is fine.
    if views.iter().all(|view| view.severity != Severity::Ok) {
        palette.ok = PLAIN;
    }
    let style = LineOptions {
        templates: templates.as_ref().map(|(line, window)| Templates { line, window }),
        separator: settings.separator.as_deref().unwrap_or(settings.glyphs.separator),
        icon: settings.icon.as_ref().map(|icon| match icon {
            Icon::Text(text) => text.as_str(),
            Icon::Auto => settings.glyphs.icon,
        }),
        show: settings.show,
        always_resets: settings.reset == ResetTimes::Always,
        glyphs: settings.glyphs,
        thresholds: settings.thresholds,
        markup: host.markup.in_colours(coloured),
        palette,
        zone,
    };
    let render = if settings.short { render_short } else { render };
    let text = render(views, &style);
    let view = worst(views);
    let is_urgent = is_urgent(settings, view);
    (host.envelope)(&Output { text: &text, views, view, coloured, style: &style, is_urgent })
}

/// The first of the worst views.
pub(super) fn worst(views: &[View]) -> &View {
    views
        .iter()
        .reduce(|worst, view| if view.severity > worst.severity { view } else { worst })
        .unwrap_or(&views[0])
}

/// Whether the bar is to show the line as urgent.
pub(super) fn is_urgent(settings: &Settings, view: &View) -> bool {
    settings.urgent_exit && settings.host.is_block && view.severity == Severity::Exhausted
}
