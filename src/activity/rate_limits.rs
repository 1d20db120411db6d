//! Finds the newest rate limits in the session files. Codex writes down what the service tells it
//! about the plan, so this needs no network.
//!
//! To be fast, it starts with the files that were written last and reads each from its end. No line
//! is newer than its file, so the search stops at the first file that is older than the best line.

use super::discover::{SessionFile, Tree};
use super::lenient::{count, milliseconds, number, read, text};
use super::prefilter::{RecordKind, sniff};
use super::reader::{Buffer, read_lines};
use super::record::{self, Record};
use crate::model::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

/// The pool of the plan's own windows. Other pools have limits of their own.
const PLANS_POOL: &str = "codex";

/// The most files that are read, and the most bytes from the end of each. Codex writes the limits
/// with every response, so more is not needed.
const MOST_FILES: usize = 64;
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Larger compressed files are skipped, because their end can be reached only from the beginning.
const MOST_COMPRESSED: u64 = 64 * 1024 * 1024;
const CHUNK: usize = 256 * 1024;
/// A longer line cannot be a `token_count`.
const LONGEST_LINE: usize = 256 * 1024;
/// How many bytes at the start of a file are searched for its `session_meta`.
const HEAD: u64 = 1024 * 1024;
/// In milliseconds. A fork copies its parent's lines with the time of the fork, so lines this close
/// to its start may be older than they say.
const COPY_SPAN: i64 = 2000;
/// In seconds. The clock of a machine may step back a little.
const TOLERATED_FUTURE: i64 = 60;

/// The limits of the plan that one line holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When the line was written.
    pub time: Timestamp,
    pub plan: Option<String>,
    /// The windows whose reset has not passed yet.
    pub windows: Vec<SnapshotWindow>,
    /// How many windows in the line could not be read.
    pub lost: u32,
    /// The whole `rate_limits` value, unchanged.
    pub limits: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotWindow {
    /// The number as Codex wrote it. It may be below 0 or above 100.
    pub used_percent: f64,
    /// Its length in minutes.
    pub minutes: Option<u32>,
    pub resets_at: Option<Timestamp>,
}

/// What is known about the account that a snapshot belongs to.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotOrigin<'a> {
    /// The account that started the session. Older versions do not write it.
    pub account: Option<&'a str>,
    /// When the session started, according to its file.
    pub begun: Timestamp,
    /// When the line was written.
    pub time: Timestamp,
}

/// The newest snapshot in the files of `tree`, as of `now`. A file whose last snapshot is not
/// `wanted` is skipped.
pub fn newest(
    tree: &Tree,
    wanted: &dyn Fn(&SnapshotOrigin) -> bool,
    now: Timestamp,
) -> Option<Snapshot> {
    let mut files: Vec<&SessionFile> = tree.files.iter().collect();
    files.sort_unstable_by_key(|found| std::cmp::Reverse(found.state.modified));
    let mut best: Option<Snapshot> = None;
    for found in files.into_iter().take(MOST_FILES) {
        let modified = found.state.modified.div_euclid(1_000_000_000);
        if best.as_ref().is_some_and(|best| best.time.unix_seconds() > modified) {
            break;
        }
        // A file that cannot be read is skipped.
        if let Ok(Some(snapshot)) = last_in(found, wanted, now)
            && best.as_ref().is_none_or(|best| best.time < snapshot.time)
        {
            best = Some(snapshot);
        }
    }
    best.filter(|snapshot| {
        !snapshot.windows.is_empty() || snapshot.lost > 0 || tells_beside(&snapshot.limits)
    })
}

fn last_in(
    found: &SessionFile,
    wanted: &dyn Fn(&SnapshotOrigin) -> bool,
    now: Timestamp,
) -> io::Result<Option<Snapshot>> {
    let mut file = crate::io::platform::open_without_waiting(&found.path())?;
    let (mut owner, mut last) = (None, None);
    if found.compressed {
        if found.state.size > MOST_COMPRESSED {
            return Ok(None);
        }
        let mut take = |kind: RecordKind, text: &[u8]| {
            if owner.is_none() {
                owner = meta(text);
            }
            if kind == RecordKind::TokenCount
                && let Some(told) = told(text)
            {
                last = Some(told);
            }
            ControlFlow::Continue(())
        };
        let mut source = zstd::stream::read::Decoder::new(&file)?;
        read_lines(&mut source, &mut Buffer::default(), &mut take).1?;
    } else {
        let mut take = |_: RecordKind, text: &[u8]| {
            owner = meta(text);
            ControlFlow::Break(())
        };
        read_lines(&mut Read::take(&mut file, HEAD), &mut Buffer::default(), &mut take).1?;
        lines_from_end(&mut file, found.state.size, &mut |text| {
            last = (sniff(text) == RecordKind::TokenCount).then(|| told(text)).flatten();
            last.is_some()
        })?;
    }
    let Some(told) = last else { return Ok(None) };
    let owner = owner.unwrap_or_default();
    let is_copy = match (owner.history_start, told.ordinal) {
        (Some(start), Some(ordinal)) => ordinal < start,
        _ => {
            !owner.parents.is_empty() && !owner.by_reference && told.time < owner.begun + COPY_SPAN
        }
    };
    let seconds = |milliseconds: i64| Timestamp::from_unix_seconds(milliseconds.div_euclid(1000));
    let time = seconds(told.time);
    // A time in the future shows that the clock was wrong then, so it cannot tell which line is
    // newest.
    let is_ahead = time.seconds_since(now) > TOLERATED_FUTURE;
    let origin =
        SnapshotOrigin { account: owner.account.as_deref(), begun: seconds(owner.begun), time };
    let is_wanted = !is_copy && !is_ahead && wanted(&origin);
    Ok(is_wanted.then(|| told.at(time, now)))
}

/// Who a session file belongs to.
#[derive(Default)]
struct Owner {
    account: Option<String>,
    parents: Vec<u64>,
    by_reference: bool,
    history_start: Option<u64>,
    /// When the file was started, in unix milliseconds.
    begun: i64,
}

fn meta(text: &[u8]) -> Option<Owner> {
    let line = record::parse(text)?;
    let Record::Meta(meta) = line.record else { return None };
    Some(Owner {
        account: meta.account,
        parents: meta.parents,
        by_reference: meta.by_reference,
        history_start: meta.history_start,
        begun: line.time.or(meta.created).unwrap_or(0),
    })
}

/// A line that holds limits of the plan.
struct RawRateLimits {
    time: i64,
    ordinal: Option<u64>,
    plan: Option<String>,
    windows: Vec<SnapshotWindow>,
    lost: u32,
    limits: Value,
}

impl RawRateLimits {
    fn at(self, time: Timestamp, now: Timestamp) -> Snapshot {
        let RawRateLimits { plan, mut windows, lost, limits, .. } = self;
        // Without a reset time, a window ends at the latest its own length after this line.
        let end = |window: &SnapshotWindow| {
            window.resets_at.or(window.minutes.map(|minutes| time.plus(60 * i64::from(minutes))))
        };
        windows.retain(|window| end(window).is_none_or(|end| end > now));
        Snapshot { time, plan, windows, lost, limits }
    }
}

#[derive(Deserialize)]
struct RawSnapshotLine<'a> {
    #[serde(default, borrow, deserialize_with = "text")]
    timestamp: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "count")]
    ordinal: Option<u64>,
    #[serde(borrow)]
    payload: RawSnapshotPayload<'a>,
}

#[derive(Deserialize)]
struct RawSnapshotPayload<'a> {
    #[serde(borrow)]
    rate_limits: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawLimits<'a> {
    #[serde(borrow, deserialize_with = "text")]
    limit_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    primary: Option<&'a RawValue>,
    #[serde(borrow)]
    secondary: Option<&'a RawValue>,
    #[serde(borrow, deserialize_with = "text")]
    plan_type: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawWindow {
    #[serde(deserialize_with = "number")]
    used_percent: Option<f64>,
    #[serde(deserialize_with = "count")]
    window_minutes: Option<u64>,
    #[serde(deserialize_with = "count")]
    resets_at: Option<u64>,
    /// Written by Codex before 0.4x. Counted from the time of the line.
    #[serde(deserialize_with = "count")]
    resets_in_seconds: Option<u64>,
}

/// Whether there is something about the plan apart from its windows: a budget, or that work is
/// refused.
fn tells_beside(limits: &Value) -> bool {
    !limits["individual_limit"].is_null()
        || !limits["rate_limit_reached_type"].is_null()
        || limits["spend_control_reached"] == true
}

/// The limits in a `token_count`. `None` if it says nothing about the plan, as after most failed
/// turns.
fn told(line: &[u8]) -> Option<RawRateLimits> {
    let raw: RawSnapshotLine = serde_json::from_slice(line).ok()?;
    let time = milliseconds(raw.timestamp.as_deref())?;
    let limits: RawLimits = serde_json::from_str(raw.payload.rate_limits.get()).ok()?;
    if limits.limit_id.is_some_and(|id| id != PLANS_POOL) {
        return None;
    }
    let slots = [limits.primary, limits.secondary];
    let there = slots.iter().flatten().count();
    let windows: Vec<SnapshotWindow> =
        slots.into_iter().filter_map(|raw| window(&read(raw)?, time.div_euclid(1000))).collect();
    let lost = there.saturating_sub(windows.len()) as u32;
    let whole: Value = serde_json::from_str(raw.payload.rate_limits.get()).ok()?;
    (there > 0 || tells_beside(&whole)).then(|| RawRateLimits {
        time,
        ordinal: raw.ordinal,
        plan: limits.plan_type.map(Cow::into_owned),
        windows,
        lost,
        limits: whole,
    })
}

fn window(raw: &RawWindow, told_at: i64) -> Option<SnapshotWindow> {
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    let later = raw.resets_in_seconds.map(|later| told_at.saturating_add(seconds(later)));
    Some(SnapshotWindow {
        used_percent: raw.used_percent?,
        minutes: raw.window_minutes.and_then(|minutes| u32::try_from(minutes).ok()),
        resets_at: raw.resets_at.map(seconds).or(later).map(Timestamp::from_unix_seconds),
    })
}

/// Calls `wanted` with complete lines, from the last one backwards, until it returns `true`. Reads
/// at most [`MOST_BYTES`] from the end.
fn lines_from_end(
    file: &mut File,
    size: u64,
    wanted: &mut dyn FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut position = size;
    // The bytes from `position` to the end of their line. Empty while that line is useless, because
    // it is half written or too long.
    let mut bytes: Vec<u8> = Vec::new();
    let mut useful = false;
    while position > size.saturating_sub(MOST_BYTES) {
        let count = CHUNK.min(usize::try_from(position).unwrap_or(CHUNK));
        position -= count as u64;
        let mut chunk = vec![0; count];
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(&mut chunk)?;
        chunk.append(&mut bytes);
        let mut end = chunk.len();
        while let Some(at) = memchr::memrchr(b'\n', &chunk[..end]) {
            if std::mem::replace(&mut useful, true) && wanted(&chunk[at + 1..end]) {
                return Ok(());
            }
            end = at;
        }
        chunk.truncate(end);
        useful &= chunk.len() <= LONGEST_LINE;
        if useful {
            bytes = chunk;
        }
    }
    if position == 0 && useful {
        wanted(&bytes);
    }
    Ok(())
}
