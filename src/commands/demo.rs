//! `codexline demo`: what the line says in each state, from made-up numbers and by the same code as
//! the real line; and what exactly a host is given. It touches no file and no network.

use crate::codex::answer;
use crate::config::settings::Settings;
use crate::hosts::{HOSTS, Host};
use crate::io::env::Env;
use crate::io::output;
use crate::line::compose;
use crate::model::entry::{Answer, Problem, Source};
use crate::model::error::Error;
use crate::model::text::wrap;
use crate::model::time::{DAY, HOUR, MINUTE, Timestamp};
use crate::model::usage::{Blocked, Budget, Usage, Window};
use crate::model::view::View;
use crate::render::colour::{PLAIN, Style, Weight};
use crate::render::style::{paint_ansi, uncoloured};

/// A usage answer as the server gives it, with relative reset times only.
const SAMPLE: &[u8] = include_bytes!("demo.json");
/// How old the sample pretends to be, in seconds.
const AGE: i64 = 41;
/// What the page is broken to.
const COLUMNS: usize = 76;

/// `codexline demo`.
pub struct DemoArgs {
    pub(crate) settings: Settings,
    /// Only what this host is given, and nothing else.
    pub(crate) host: Option<&'static Host>,
    /// What every host is given.
    pub(crate) is_raw: bool,
}

/// Prints it.
pub fn run(args: &DemoArgs, env: &Env) {
    let settings = &args.settings;
    let sample = measured(sample(env.now(), settings), settings);
    let of_host = |host: &'static Host| {
        compose(&Settings { host, ..settings.clone() }, env, std::slice::from_ref(&sample))
    };
    output::print(&match args.host {
        Some(host) => of_host(host),
        None if args.is_raw => HOSTS
            .iter()
            .map(|host| {
                let lines = of_host(host);
                let lines = lines.lines().map(|line| format!("  {line}\n"));
                format!("{} ({})\n{}", host.name, host.about, lines.collect::<String>())
            })
            .collect(),
        None => page(settings, env),
    });
}

/// Every state with its line.
fn page(settings: &Settings, env: &Env) -> String {
    let is_coloured = settings.color.applies(env.stdout_is_terminal, env);
    let bold = Style { weight: Weight::Bold, ..PLAIN };
    let mut out = String::with_capacity(2048);
    let paint = if is_coloured { paint_ansi } else { uncoloured };
    paint(bold, "What codexline prints", &mut out);
    out.push_str(", from made-up numbers. Yours: codexline status\n\n");
    for (state, view) in states(env.now(), settings) {
        let line = compose(settings, env, &[measured(view, settings)]);
        out.push_str(&format!("  {state:<18}  {}\n", line.trim_end()));
    }
    out.push_str("\n  the same in every host, in its own format:\n");
    // The names as they are typed.
    let names: Vec<&str> = HOSTS.iter().map(|host| host.name).collect();
    for line in wrap(&names.join(", "), COLUMNS - 2) {
        out.push_str(&format!("  {line}\n"));
    }
    out.push_str(
        "\n  codexline demo tmux     exactly what tmux gets   (every host: demo --raw)\n  \
         codexline init tmux     what goes into ~/.tmux.conf   (--write puts it there)\n",
    );
    out
}

fn measured(view: View, settings: &Settings) -> View {
    view.measured_by(settings.severity, settings.thresholds)
}

fn sample(now: Timestamp, settings: &Settings) -> View {
    let fetched_at = now.plus(-AGE);
    let Ok(sample) = answer::parse(SAMPLE, fetched_at) else {
        unreachable!("the sample is tested below")
    };
    let answer = Answer { fetched_at, source: Source::Api, asked_at: None, usage: sample.usage };
    View::of_answer(&answer, now, settings.thresholds)
}

/// The states that there are, each with what it is called here.
fn states(now: Timestamp, settings: &Settings) -> Vec<(&'static str, View)> {
    let window = |seconds: i64, used: f64, resets_in: i64| Window {
        seconds: u32::try_from(seconds).ok(),
        slot: None,
        used,
        resets_at: Some(now.plus(resets_in)),
        started: true,
    };
    let week = || window(7 * DAY, 17.0, 5 * DAY + 8 * HOUR + 30);
    let both = |used: f64| Usage {
        windows: vec![window(5 * HOUR, used, HOUR + 3 * MINUTE + 30), week()],
        ..Usage::default()
    };
    let of = |usage: Usage| {
        let answer = Answer { fetched_at: now, source: Source::Api, asked_at: None, usage };
        View::of_answer(&answer, now, settings.thresholds)
    };
    let failed = |error: Option<&Error>| {
        View::new(None, "", error.map(Problem::from), now, settings.thresholds)
    };
    let outage = Error::Server { url: String::new(), status: 503, retry_after: None };
    let signed_out = Error::NotSignedIn { path: "auth.json".into() };
    let hours = window(5 * HOUR, 5.0, HOUR);
    let blocked = Some(Blocked::default());
    let blocked = Usage { windows: vec![hours], blocked, ..Usage::default() };
    let budget =
        Budget { used_percent: 1.0, limit: None, used: None, remaining: None, resets_at: None };
    vec![
        ("fine", of(both(42.0))),
        ("a limit runs short", of(both(78.0))),
        ("nearly empty", of(both(96.0))),
        ("empty", of(both(100.0))),
        ("Codex says no", of(blocked)),
        ("weekly plan", of(Usage { windows: vec![week()], ..Usage::default() })),
        ("business plan", of(Usage { budget: Some(budget), ..Usage::default() })),
        (
            "old numbers",
            View {
                age_seconds: Some(23 * MINUTE),
                is_stale: true,
                problem: Some(Problem::from(&outage)),
                ..of(both(42.0))
            },
        ),
        ("no login", failed(Some(&signed_out))),
        ("first time", failed(None)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts;
    use crate::model::text::width;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_359_600);

    #[test]
    fn the_sample_is_an_answer() {
        assert_eq!(answer::parse(SAMPLE, NOW).unwrap().usage.windows.len(), 2);
    }

    #[test]
    fn the_states_fit_on_one_screen() {
        let env = Env::for_test(&[], || NOW);
        let page = page(&Settings::new(hosts::DEFAULT), &env);
        let expected = "\
What codexline prints, from made-up numbers. Yours: codexline status

  fine                Codex 5h 58% left · 7d 83% left
  a limit runs short  Codex 5h 22% left, resets in 1h03m · 7d 83% left
  nearly empty        Codex 5h 4% left, resets in 1h03m · 7d 83% left
  empty               Codex 5h 0% left, back in 1h03m
  Codex says no       Codex blocked, 5h 95% left
  weekly plan         Codex 7d 83% left
  business plan       Codex budget 99% left
  old numbers         Codex 5h 58% left · 7d 83% left (23m ago, outage)
  no login            Codex: signed out
  first time          Codex: loading

  the same in every host, in its own format:
";
        assert!(page.starts_with(expected), "{page}");
        assert!(page.lines().count() <= 23, "a prompt follows: {page}");
        assert!(page.lines().all(|line| width(line) <= 80), "{page}");
        for host in HOSTS {
            assert!(page.contains(host.name), "{}: {page}", host.name);
        }
    }
}
