//! A day of somebody who works with Codex, played with a clock of its own: how often the service is
//! asked, how far the line is from the truth, how old it is, and how long it misses a limit.
//!
//! * A bar draws its line every 15 s: all day and night, or while the machine is not asleep from 22
//!   to 8 o'clock.
//! * 9 to 17: 200 turns of about a minute, in bursts of ten with a pause of 13 minutes.
//! * A second machine makes a tenth as many, whenever it likes; its use is seen only through the
//!   service and through what Codex is told here.
//! * The week's window is reset at 11 o'clock, and the 5 hours of the morning do not suffice.

use crate::support::sessions::Random;
use codexline::model::asking::{AskDecision, AskRules, Seen, Shows, look_again, worth_asking};
use codexline::model::decision::{Decision, decide};
use codexline::model::entry::{Answer, Entry, Miss, Source, WatchedFile};
use codexline::model::time::Timestamp;
use codexline::model::usage::{Thresholds, Usage, Window};
use std::ops::Range;
use std::path::Path;

const HOUR: i64 = 3600;
/// Midnight.
const DAY: Timestamp = Timestamp::from_unix_seconds(1_795_305_600);
const REDRAW: i64 = 15;
const RULES: AskRules = AskRules {
    max_age: 120,
    max_idle: 900,
    thresholds: Thresholds { warn: 70.0, critical: 90.0 },
    shows: Shows { pools: false, budget: true },
};
/// Percentage points that a turn takes of the 5 hours, and of the week.
const TURN: (f64, f64) = (0.85, 0.12);

/// A turn: from when to when, in seconds of the day, and whether on this machine.
struct Turn {
    begin: i64,
    end: i64,
    is_ours: bool,
}

/// What the service knows.
#[derive(Clone)]
struct Truth {
    five_hours: Window,
    week: Window,
}

impl Truth {
    /// What has started anew by then is empty.
    fn pass(&mut self, now: Timestamp) {
        if self.five_hours.resets_at.is_some_and(|at| at <= now) {
            self.five_hours = window(5 * HOUR, 0.0, None);
        }
        if self.week.resets_at.is_some_and(|at| at <= now) {
            self.week = window(168 * HOUR, 0.0, Some(now.plus(168 * HOUR)));
        }
    }

    /// A turn that has ended; whether it was not refused.
    fn turn(&mut self, now: Timestamp) -> bool {
        let is_refused = self.five_hours.used >= 100.0;
        if !is_refused {
            self.five_hours.started = true;
            self.five_hours.resets_at.get_or_insert(now.plus(5 * HOUR));
            self.five_hours.used = (self.five_hours.used + TURN.0).min(100.0);
            self.week.used += TURN.1;
        }
        !is_refused
    }

    fn usage(&self) -> Usage {
        let windows = vec![self.five_hours.clone(), self.week.clone()];
        Usage { windows, ..Usage::default() }
    }
}

fn window(seconds: i64, used: f64, resets_at: Option<Timestamp>) -> Window {
    let started = resets_at.is_some();
    Window { seconds: u32::try_from(seconds).ok(), slot: None, used, resets_at, started }
}

fn turns(random: &mut Random) -> Vec<Turn> {
    let mut turns = Vec::new();
    for burst in 0..20 {
        let mut begin = 9 * HOUR + burst * 23 * 60;
        for _ in 0..10 {
            let end = begin + 30 + random.below(50) as i64;
            turns.push(Turn { begin, end, is_ours: true });
            begin = end + 2 + random.below(5) as i64;
        }
    }
    for _ in 0..20 {
        let end = 8 * HOUR + random.below(14 * HOUR as u64) as i64;
        turns.push(Turn { begin: end - 60, end, is_ours: false });
    }
    turns.sort_by_key(|turn| turn.end);
    turns
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    /// Every stale line asks: `--max-idle 0s`.
    EveryStaleLine,
    /// The program's own.
    WorthIt,
    /// Knows the truth at each redraw.
    Perfect,
}

#[derive(Debug)]
struct Figures {
    requests: usize,
    error: f64,
    error_95: f64,
    age: f64,
    age_95: f64,
    /// Minutes in which a limit was reached and the line did not say so.
    missed: f64,
    /// Redraws after a turn of ours until the line had its numbers, at most.
    redraws: usize,
}

/// `hours`: those of the day in which the bar is drawn.
fn play(policy: Policy, hours: Range<i64>, seed: u64) -> Figures {
    let mut random = Random::new(seed);
    let turns = turns(&mut random);
    let mut moments: Vec<i64> =
        (hours.start * HOUR..hours.end * HOUR).step_by(REDRAW as usize).collect();
    // Prompts at random: they look and ask like the bar.
    moments.extend((0..300).map(|_| 8 * HOUR + random.below(14 * HOUR as u64) as i64));
    moments.sort_unstable();

    let week = window(168 * HOUR, 55.0, Some(DAY.plus(11 * HOUR)));
    let mut truth = Truth { five_hours: window(5 * HOUR, 0.0, None), week };
    let mut entry: Option<Entry> = None;
    let (mut snapshot, mut written_at): (Option<Answer>, Option<i64>) = (None, None);
    let mut next = 0;
    let mut requests = 0;
    let (mut errors, mut ages, mut missed) = (Vec::new(), Vec::new(), 0);
    // The bar's redraws since the last turn of ours, while the line has not its numbers.
    let (mut waiting, mut redraws) = (None, 0);
    for second in moments {
        let now = DAY.plus(second);
        while let Some(turn) = turns.get(next).filter(|turn| turn.end <= second) {
            let at = DAY.plus(turn.end);
            truth.pass(at);
            let has_answer = truth.turn(at);
            if turn.is_ours {
                written_at = Some(turn.end);
                if has_answer {
                    let (source, usage) = (Source::Sessions, truth.usage());
                    snapshot = Some(Answer { fetched_at: at, source, asked_at: None, usage });
                    waiting = Some((at, 0));
                }
            }
            next += 1;
        }
        // A turn writes as long as it goes on.
        if turns.iter().any(|turn| turn.is_ours && turn.begin <= second && second < turn.end) {
            written_at = Some(second);
        }
        truth.pass(now);

        // A bar waits for its worker, which looks and asks before the line is shown.
        'worker: {
            let known = entry.as_ref().ok_or(&Miss::Absent);
            let mut decision = decide(known, "login", RULES.max_age, now);
            if let (Some(entry), Policy::WorthIt) = (&entry, policy) {
                let has_changed = |watched: &WatchedFile| Some(watched.state as i64) != written_at;
                decision = look_again(decision, entry, RULES.max_idle, has_changed, now);
            }
            if policy == Policy::Perfect || !matches!(decision, Decision::Stale(_)) {
                break 'worker;
            }
            let account = || Some("acc-1".to_string());
            let watched =
                written_at.map(|at| WatchedFile { file: String::new(), state: at as u64 });
            if let (Some(previous), Policy::WorthIt) = (&entry, policy) {
                let mut looked = previous.clone().checked(now);
                if let Some(found) = &snapshot {
                    looked = looked.or_newer(found.clone(), account(), now);
                }
                looked.watched.clone_from(&watched);
                let seen =
                    Seen { written_at: written_at.map(|at| DAY.plus(at)), ..Seen::default() };
                if let AskDecision::Rest(_) = worth_asking(&looked, seen, RULES, now) {
                    entry = Some(looked);
                    break 'worker;
                }
            }
            requests += 1;
            let (source, usage) = (Source::Api, truth.usage());
            let answer = Answer { fetched_at: now, source, asked_at: None, usage };
            let mut answered = Entry::answered(Path::new("/"), "login".into(), account(), answer)
                .following(entry.as_ref(), now);
            answered.watched = watched;
            entry = Some(answered);
        }

        let shown = match policy {
            Policy::Perfect => Some((truth.usage(), now)),
            _ => entry.as_ref().and_then(|entry| {
                let answer = entry.answer.as_ref()?;
                Some((answer.usage_at(now)?, answer.fetched_at))
            }),
        };
        if let Some((usage, measured_at)) = shown
            && second % REDRAW == 0
        {
            let real = truth.usage();
            let error = real.windows.iter().zip(&usage.windows).map(|(real, shown)| {
                assert_eq!(real.label(), shown.label());
                (real.used - shown.used).abs()
            });
            errors.push(error.fold(0.0, f64::max));
            ages.push(now.seconds_since(measured_at) as f64);
            if real.windows.iter().any(|window| window.used >= 100.0)
                && usage.windows.iter().all(|window| window.used < 100.0)
            {
                missed += REDRAW;
            }
            if let Some((at, passed)) = waiting.as_mut() {
                *passed += 1;
                redraws = redraws.max(*passed);
                if measured_at >= *at {
                    waiting = None;
                }
            }
        }
    }
    Figures {
        requests,
        error: mean(&errors),
        error_95: percentile(&mut errors),
        age: mean(&ages),
        age_95: percentile(&mut ages),
        missed: missed as f64 / 60.0,
        redraws,
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 95th.
fn percentile(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() * 95 / 100]
}

/// The figures of a policy, each the mean of many days; the most redraws of all.
fn mean_of(days: &[Figures]) -> Figures {
    let mean_of = |value: fn(&Figures) -> f64| mean(&days.iter().map(value).collect::<Vec<_>>());
    Figures {
        requests: days.iter().map(|day| day.requests).sum::<usize>() / days.len(),
        error: mean_of(|day| day.error),
        error_95: mean_of(|day| day.error_95),
        age: mean_of(|day| day.age),
        age_95: mean_of(|day| day.age_95),
        missed: mean_of(|day| day.missed),
        redraws: days.iter().map(|day| day.redraws).max().unwrap_or_default(),
    }
}

/// Plays many days and prints the means. The means for today's rule and for the program's, and the
/// fewest requests of the one for one of the other in any day.
fn compare(what: &str, hours: Range<i64>) -> (Figures, Figures, f64) {
    const DAYS: u64 = 20;
    eprintln!("{what}: means of {DAYS} days");
    eprintln!("policy          requests  error mean  95 %   age mean   95 %  missed  redraws");
    let days = [Policy::EveryStaleLine, Policy::WorthIt, Policy::Perfect].map(|policy| {
        let days: Vec<_> = (1..=DAYS).map(|seed| play(policy, hours.clone(), seed)).collect();
        let Figures { requests, error, error_95, age, age_95, missed, redraws } = mean_of(&days);
        eprintln!(
            "{:<15} {requests:>8} {error:>11.2} {error_95:>5.2} {age:>8.0} s {age_95:>4.0} s \
             {missed:>3.1} min {redraws:>6}",
            format!("{policy:?}")
        );
        days
    });
    let [today, worth, perfect] = &days;
    let perfect = mean_of(perfect);
    assert_eq!((perfect.requests, perfect.error, perfect.missed), (0, 0.0, 0.0));
    let ratios =
        today.iter().zip(worth).map(|(today, worth)| today.requests as f64 / worth.requests as f64);
    let worst = ratios.fold(f64::INFINITY, f64::min);
    let (today, worth) = (mean_of(today), mean_of(worth));
    let all = today.requests as f64 / worth.requests as f64;
    eprintln!("requests: 1 instead of {all:.1}, on the worst day instead of {worst:.1}");
    assert!(worth.error <= today.error, "{worth:?} {today:?}");
    assert!(worth.missed <= today.missed, "{worth:?} {today:?}");
    (today, worth, worst)
}

#[test]
fn a_day_costs_a_tenth_of_the_requests_and_the_line_is_nearer_to_the_truth() {
    let (today, worth, worst) = compare("asleep at night", 8..22);
    assert!(worth.requests * 10 <= today.requests, "{worth:?} {today:?}");
    assert!(worst >= 8.0, "{worst}");
    // Right at the first redraw after a turn.
    assert_eq!(worth.redraws, 1, "{worth:?}");
    // While nothing happens, `--max-idle` alone makes a request of every 7.5.
    let (today, worth, worst) = compare("a bar all night", 0..24);
    assert!(worth.requests * 17 <= today.requests * 2, "{worth:?} {today:?}");
    assert!(worst >= 8.0, "{worst}");
}
