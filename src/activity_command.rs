//! `codexline activity`: sessions, turns and tokens by local day, from Codex's session files. No login, no network.

use crate::activity::report::{Counts, Day, Report};
use crate::activity::scan::{Progress, scan};
use crate::activity::store::Store;
use crate::activity::tree::Tree;
use crate::activity::{Refreshed, refresh};
use crate::cache::Cache;
use crate::cli::Activity;
use crate::codex::home::Home;
use crate::environment::Surroundings;
use crate::error::Error;
use crate::output::{self, Meter};
use crate::text::short_count;
use jiff::ToSpan;
use jiff::civil::Date;
use std::ops::ControlFlow;
use std::thread::available_parallelism;

/// More threads than this wait for the disk, each with a buffer.
const MOST_THREADS: usize = 16;

/// What cannot be read or kept is told on stderr; the counts are printed all the same.
///
/// # Errors
/// [`Error::NoHome`] and [`Error::HomeMissing`].
pub fn run(wanted: &Activity, surroundings: &Surroundings) -> Result<(), Error> {
    let home = Home::locate(surroundings)?;
    home.check()?;
    let cache = Cache::locate(&home, None, surroundings)?;
    let Refreshed { store, outcome, unsaved } = read_new(&cache);
    // After the scan: the first one can last beyond midnight.
    let today = surroundings.now().date(&surroundings.zone());
    let first = today.saturating_sub(i64::from(wanted.days.saturating_sub(1)).days());
    let report = store.report(&surroundings.zone(), first..=today);
    let report = with_idle_days(report, first, wanted.days);
    output::print(&if wanted.json { json(&report) } else { table(&report) });
    if let [(path, error), others @ ..] = outcome.unreadable.as_slice() {
        let others = if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
        let (path, reason) = (path.display(), Error::io_reason(error));
        output::complain(format_args!("cannot read {path}: {reason}{others}; what is new there is missing"));
    } else if outcome.files == 0 {
        let path = home.path().display();
        output::complain(format_args!("no session files in {path}; set CODEX_HOME if they are elsewhere"));
    }
    if let Some(error) = unsaved {
        output::complain(format_args!("{error}; the next time, everything is read again"));
    }
    Ok(())
}

/// The store, brought up to date; why it could not be kept, in words.
fn read_new(cache: &Cache) -> Refreshed<Error> {
    let mut meter = Meter::new("sessions");
    let mut watch = |Progress { done, total }: Progress| {
        meter.tell(done, total);
        ControlFlow::Continue(())
    };
    let threads = available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
    let (home, place) = (cache.home().path(), cache.activity_path());
    if let Err(error) = cache.ensure_writable() {
        let mut store = Store::load(&place);
        let outcome = scan(Tree::list(home), &mut store, threads, &mut watch);
        return Refreshed { store, outcome, unsaved: Some(error) };
    }
    let Refreshed { store, outcome, unsaved } = refresh(home, &place, threads, &mut watch);
    let unwritable = |error| Error::CacheUnwritable { path: place, reason: Error::io_reason(&error) };
    Refreshed { store, outcome, unsaved: unsaved.map(unwritable) }
}

/// The report with a row for each of so many days.
fn with_idle_days(report: Report, first: Date, days: u16) -> Report {
    let dates = first.series(1.day()).take(usize::from(days));
    let days = dates.map(|date| Day { date, counts: report.on(date) }).collect();
    Report { days, ..report }
}

fn json(report: &Report) -> String {
    // Numbers and dates only: this does not fail.
    serde_json::to_string(report).unwrap_or_default() + "\n"
}

type Column = (&'static str, fn(&Counts) -> u64);

/// A count has at most five characters, so all of it takes 72 columns.
const COLUMNS: [Column; 7] = [
    ("sessions", |counts| counts.sessions),
    ("turns", |counts| counts.turns),
    ("input", |counts| counts.input_tokens),
    ("cached", |counts| counts.cached_input_tokens),
    ("output", |counts| counts.output_tokens),
    ("reasoning", |counts| counts.reasoning_output_tokens),
    ("total", |counts| counts.total_tokens),
];

fn table(report: &Report) -> String {
    let row = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let cells =
            COLUMNS.iter().map(|column| format!("  {:>width$}", cell(column), width = column.0.len()));
        format!("{name:<14}{}\n", cells.collect::<String>())
    };
    let counted = |name: &str, counts: &Counts| {
        row(name, &|(_, value)| match value(counts) {
            0 => "-".to_string(),
            value => short_count(value),
        })
    };
    let mut text = row("day", &|(title, _)| title.to_string());
    for Day { date, counts } in &report.days {
        text += &counted(&date.strftime("%a %Y-%m-%d").to_string(), counts);
    }
    let days = report.days.len();
    text + &counted(&format!("{days} day{}", if days == 1 { "" } else { "s" }), &report.total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn counts(sessions: u64, turns: u64, tokens: u64) -> Counts {
        Counts {
            sessions,
            turns,
            input_tokens: tokens,
            cached_input_tokens: tokens / 2,
            output_tokens: tokens / 10,
            reasoning_output_tokens: tokens / 20,
            total_tokens: tokens + tokens / 10,
        }
    }

    fn sample() -> Report {
        let days = vec![Day { date: date(2026, 11, 21), counts: counts(3, 41, 1_234_567) }];
        with_idle_days(Report { days, total: counts(12_345, u64::MAX, 999_950) }, date(2026, 11, 20), 3)
    }

    #[test]
    fn the_table_is_aligned() {
        let expected = "\
day             sessions  turns  input  cached  output  reasoning  total
Fri 2026-11-20         -      -      -       -       -          -      -
Sat 2026-11-21         3     41   1.2M    617k    123k      61.7k   1.4M
Sun 2026-11-22         -      -      -       -       -          -      -
3 days             12.3k  18.4E   1.0M    500k    100k      50.0k   1.1M
";
        assert_eq!(table(&sample()), expected);
    }

    #[test]
    fn json_names_every_day() {
        let report: serde_json::Value = serde_json::from_str(&json(&sample())).unwrap();
        assert_eq!(report["days"][0]["date"], "2026-11-20");
        assert_eq!(report["days"][0]["sessions"], 0);
        assert_eq!(report["days"][1]["reasoning_output_tokens"], 61_728);
        assert_eq!(report["days"].as_array().map(Vec::len), Some(3));
        assert_eq!(report["total"]["sessions"], 12_345);
    }
}
