//! `codexline activity`: sessions, turns and tokens by local day, from Codex's session files. No
//! login, no network.

use crate::activity::discover::Tree;
use crate::activity::report::{Day, Report};
use crate::activity::scan::{Progress, scan};
use crate::activity::store::Store;
use crate::activity::{Refreshed, refresh};
use crate::cache::Cache;
use crate::codex::home::Home;
use crate::config::settings::{LoginEnv, Settings};
use crate::hosts::json::{ErrorReport, line};
use crate::io::env::Env;
use crate::io::output::{self, Meter};
use crate::model::entry::Problem;
use crate::model::error::Error;
use crate::model::text::short_count;
use crate::model::today::Counts;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use std::ops::ControlFlow;
use std::thread::available_parallelism;

/// `codexline activity`.
pub struct ActivityArgs {
    pub settings: Box<Settings>,
    /// How many, today included; at least one.
    pub days: u16,
    pub json: bool,
}

/// More threads than this wait for the disk, each with a buffer.
const MOST_THREADS: usize = 16;

/// Prints the table or the JSON, and gives the exit status: that of a signal which ended the scan,
/// 1 where an account has no session files to look for. What cannot be read or kept is told on
/// stderr; the counts are printed all the same.
///
/// # Errors
/// [`Error::NoHome`] and [`Error::HomeMissing`] of the one login.
pub fn run(args: &ActivityArgs, env: &Env) -> Result<u8, Error> {
    for mistake in &args.settings.mistakes {
        output::warn(mistake);
    }
    // The first scan can take minutes; what it has counted until then is kept.
    crate::io::platform::note_requests_to_end();
    // What is no terminal gets every column.
    let columns = env.terminal_columns().unwrap_or(usize::MAX);
    let mut reports = Vec::new();
    for LoginEnv { account, env } in args.settings.logins(env) {
        let report = match (tell(args, &env), &account) {
            (Ok(Reported::BrokenOff(status)), _) => return Ok(status),
            (Ok(Reported::Counted(report)), None) => {
                output::print(&if args.json { line(&report) } else { table(&report, columns) });
                return Ok(0);
            }
            (Ok(Reported::Counted(report)), Some(_)) => Ok(report),
            (Err(error), None) => return Err(error),
            (Err(error), Some(name)) => {
                output::warn(format_args!("{name}: {error}; {}", error.hint()));
                Err(Problem::from(&error))
            }
        };
        reports.push(Part { account: account.unwrap_or_default(), report });
    }
    output::print(&if args.json { line(&reports) } else { tables(&reports, columns) });
    // One account's failure is no reason not to show the others.
    Ok(u8::from(reports.iter().any(|part| part.report.is_err())))
}

/// What is told of one of several accounts.
struct Part {
    account: String,
    report: Result<Report, Problem>,
}

enum Reported {
    Counted(Report),
    /// Somebody wants the program to end, with this status.
    BrokenOff(u8),
}

/// The report of one login, with its session files read as far as they are new.
fn tell(args: &ActivityArgs, env: &Env) -> Result<Reported, Error> {
    let home = Home::locate(env)?;
    home.check()?;
    let cache = Cache::locate(&home, None, env)?;
    let Refreshed { store, outcome, unsaved } = read_new(&cache);
    if let Some(status) = crate::io::platform::request_to_end() {
        match unsaved {
            None => output::warn(
                "interrupted; what has been counted is kept, the next run goes on from there",
            ),
            Some(error) => {
                output::warn(format_args!("interrupted; {error}; the next run begins anew"))
            }
        }
        return Ok(Reported::BrokenOff(status));
    }
    // After the scan: the first one can last beyond midnight.
    let zone = env.zone();
    let today = env.now().date(&zone);
    let first = today.saturating_sub(i64::from(args.days.saturating_sub(1)).days());
    let report = store.report(&zone, first..=today);
    // The process is about to end: taking ten thousand entries apart would be for nothing.
    std::mem::forget(store);
    if let [(path, error), others @ ..] = outcome.unreadable.as_slice() {
        let others =
            if others.is_empty() { String::new() } else { format!(" (and {} more)", others.len()) };
        let (path, reason) = (path.display(), Error::io_reason(error));
        output::warn(format_args!(
            "cannot read {path}: {reason}{others}; what is new there is missing"
        ));
    } else if outcome.files == 0 {
        let path = home.path().display();
        output::warn(format_args!(
            "no session files in {path}; set CODEX_HOME if they are elsewhere"
        ));
    }
    if let Some(error) = unsaved {
        output::warn(format_args!("{error}; the next time, everything is read again"));
    }
    Ok(Reported::Counted(with_idle_days(report, first, args.days)))
}

/// The store, brought up to date, or as far as that came; why it could not be kept, in words.
fn read_new(cache: &Cache) -> Refreshed<Error> {
    let mut meter = Meter::new("sessions");
    let mut watch = |Progress { done, total }: Progress| {
        meter.show(done, total);
        match crate::io::platform::request_to_end() {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    };
    let threads = available_parallelism().map_or(1, |count| count.get().min(MOST_THREADS));
    let (home, place) = (cache.home().path(), cache.activity_path());
    if let Err(error) = cache.ensure_writable() {
        let mut store = Store::load(&place);
        let outcome = scan(Tree::list(home), &mut store, threads, &mut watch);
        return Refreshed { store, outcome, unsaved: Some(error) };
    }
    let Refreshed { store, outcome, unsaved } = refresh(home, &place, threads, &mut watch);
    let unwritable =
        |error| Error::CacheUnwritable { path: place, reason: Error::io_reason(&error) };
    Refreshed { store, outcome, unsaved: unsaved.map(unwritable) }
}

/// The report with a row for each of so many days.
fn with_idle_days(report: Report, first: Date, days: u16) -> Report {
    let dates = first.series(1.day()).take(usize::from(days));
    let days = dates.map(|date| Day { date, counts: report.on(date) }).collect();
    Report { days, ..report }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            account: &'a str,
            #[serde(flatten)]
            report: Option<&'a Report>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<ErrorReport<'a>>,
        }
        let (report, problem) = (self.report.as_ref().ok(), self.report.as_ref().err());
        Flat { account: &self.account, report, error: problem.map(ErrorReport::from) }
            .serialize(serializer)
    }
}

/// A column of the table.
struct Column {
    title: &'static str,
    value: fn(&Counts) -> u64,
    /// Where there is no room for all columns, those with the highest numbers drop out.
    rank: u8,
}

impl Column {
    /// With the blanks in front of it. A count has at most five characters, a title at least five.
    fn width(&self) -> usize {
        2 + self.title.len()
    }
}

const fn column(title: &'static str, rank: u8, value: fn(&Counts) -> u64) -> Column {
    Column { title, value, rank }
}

const COLUMNS: [Column; 7] = [
    column("sessions", 2, |counts| counts.sessions),
    column("turns", 1, |counts| counts.turns),
    column("input", 3, |counts| counts.input_tokens),
    column("cached", 5, |counts| counts.cached_input_tokens),
    column("output", 4, |counts| counts.output_tokens),
    column("reasoning", 6, |counts| counts.reasoning_output_tokens),
    column("total", 0, |counts| counts.total_tokens),
];
/// The width of the column of days.
const DAY: usize = 14;

/// The columns that fit into a terminal of so many. The total is always there.
fn fitting(columns: usize) -> Vec<&'static Column> {
    let room = columns.saturating_sub(DAY);
    let needed = |rank: u8| -> usize {
        COLUMNS.iter().filter(|column| column.rank <= rank).map(Column::width).sum()
    };
    let fits = |column: &&Column| column.rank == 0 || needed(column.rank) <= room;
    COLUMNS.iter().filter(fits).collect()
}

/// One below the other, each under its account's name.
fn tables(parts: &[Part], columns: usize) -> String {
    let one = |part: &Part| {
        Some(format!("{}\n{}", part.account, table(part.report.as_ref().ok()?, columns)))
    };
    parts.iter().filter_map(one).collect::<Vec<_>>().join("\n")
}

/// A row for each day and one for all of them, in a terminal of so many columns.
fn table(report: &Report, columns: usize) -> String {
    let shown = fitting(columns);
    let row = |name: &str, cell: &dyn Fn(&Column) -> String| {
        let cells =
            shown.iter().map(|column| format!("{:>width$}", cell(column), width = column.width()));
        format!("{name:<DAY$}{}\n", cells.collect::<String>())
    };
    let counted = |name: &str, counts: &Counts| {
        row(name, &|column| match (column.value)(counts) {
            0 => "-".to_string(),
            value => short_count(value),
        })
    };
    let mut text = row("day", &|column| column.title.to_string());
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
        with_idle_days(
            Report { days, total: counts(12_345, u64::MAX, 999_950) },
            date(2026, 11, 20),
            3,
        )
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
        assert_eq!(table(&sample(), 72), expected);
    }

    #[test]
    fn columns_drop_out_where_there_is_no_room() {
        let heads = |columns: usize| table(&sample(), columns).lines().next().unwrap().to_string();
        assert_eq!(heads(71), "day             sessions  turns  input  cached  output  total");
        assert_eq!(heads(60), "day             sessions  turns  input  output  total");
        let narrow = "\
day             sessions  turns  total
Fri 2026-11-20         -      -      -
Sat 2026-11-21         3     41   1.4M
Sun 2026-11-22         -      -      -
3 days             12.3k  18.4E   1.1M
";
        assert_eq!(table(&sample(), 40), narrow);
        assert_eq!(heads(1), "day             total");
        for columns in 21..100 {
            let text = table(&sample(), columns);
            assert!(text.lines().all(|line| line.len() <= columns), "{columns}:\n{text}");
        }
    }

    #[test]
    fn accounts_stand_one_below_the_other() {
        let problem = Problem::from(&Error::NoHome);
        let parts = [("a", Ok(sample())), ("b", Err(problem)), ("c", Ok(sample()))]
            .map(|(account, report)| Part { account: account.into(), report });
        assert_eq!(tables(&parts, 80), format!("a\n{0}\nc\n{0}", table(&sample(), 80)));
        let told: serde_json::Value = serde_json::from_str(&line(&parts)).unwrap();
        assert_eq!(
            (&told[0]["account"], &told[0]["total"]["sessions"]),
            (&"a".into(), &12_345.into())
        );
        assert_eq!(told[1].as_object().map(serde_json::Map::len), Some(2), "{told}");
        assert_eq!(told[1]["error"].as_object().map(serde_json::Map::len), Some(3), "{told}");
    }

    #[test]
    fn json_names_every_day() {
        let report: serde_json::Value = serde_json::from_str(&line(&sample())).unwrap();
        assert_eq!(report["days"][0]["date"], "2026-11-20");
        assert_eq!(report["days"][0]["sessions"], 0);
        assert_eq!(report["days"][1]["reasoning_output_tokens"], 61_728);
        assert_eq!(report["days"].as_array().map(Vec::len), Some(3));
        assert_eq!(report["total"]["sessions"], 12_345);
    }
}
