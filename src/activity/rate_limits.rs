//! The newest rate limits in the session files: what Codex was last told of its plan, without the
//! network.
//!
//! Cheap by looking only where the newest can be: the files written last, from their ends. A line
//! is not newer than its file, so the search ends at the first file that is older than the best
//! line.

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

/// The pool that the plan's own windows are in; further ones have limits of their own.
const PLANS_POOL: &str = "codex";

/// Files looked into at most, and bytes read from the end of each: where a limit was told, it is
/// told with every response.
const MOST_FILES: usize = 64;
const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// Larger compressed files are passed over: their end can only be reached from their beginning.
const MOST_COMPRESSED: u64 = 64 * 1024 * 1024;
const CHUNK: usize = 256 * 1024;
/// A longer line is no `token_count`.
const LONGEST_LINE: usize = 256 * 1024;
/// Bytes of a file's beginning that hold its `session_meta`.
const HEAD: u64 = 1024 * 1024;
/// A fork repeats its parent's lines with the time of the fork: they are older than they say. In
/// milliseconds.
const COPY_SPAN: i64 = 2000;
/// Clocks of one machine may step back a little. In seconds.
const TOLERATED_FUTURE: i64 = 60;

/// What one line said of the plan's limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// When the line was written.
    pub time: Timestamp,
    pub plan: Option<String>,
    /// Those whose reset has not passed.
    pub windows: Vec<SnapshotWindow>,
    /// How many windows stand there and cannot be read.
    pub lost: u32,
    /// All of it, as it stands there.
    pub limits: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotWindow {
    /// As it stands there: may be below 0 or above 100.
    pub used_percent: f64,
    /// Its length in minutes.
    pub minutes: Option<u32>,
    pub resets_at: Option<Timestamp>,
}

/// What is known of whose a snapshot is.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotOrigin<'a> {
    /// The account that began the session; files of older versions do not say it.
    pub account: Option<&'a str>,
    /// When the session was begun, by its file.
    pub begun: Timestamp,
    /// When the line was written.
    pub time: Timestamp,
}

/// The newest snapshot in the files of `tree`, as of `now`. Files whose last one is not `wanted`
/// are passed over.
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
        // A file that cannot be read says nothing.
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
    // What the clock of another day wrote does not tell what is newest.
    let is_ahead = time.seconds_since(now) > TOLERATED_FUTURE;
    let origin =
        SnapshotOrigin { account: owner.account.as_deref(), begun: seconds(owner.begun), time };
    let is_wanted = !is_copy && !is_ahead && wanted(&origin);
    Ok(is_wanted.then(|| told.at(time, now)))
}

/// LineOrigin file it is.
#[derive(Default)]
struct Owner {
    account: Option<String>,
    parents: Vec<u64>,
    by_reference: bool,
    history_start: Option<u64>,
    /// When the file was begun, in unix milliseconds.
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

/// A line with limits of the plan.
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
        // At the latest, a window ends its length after it was told of.
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
    /// Before 0.4x: from the line's time on.
    #[serde(deserialize_with = "count")]
    resets_in_seconds: Option<u64>,
}

/// Whether limits say something of the plan beside its windows: a budget, or that work is refused.
fn tells_beside(limits: &Value) -> bool {
    !limits["individual_limit"].is_null()
        || !limits["rate_limit_reached_type"].is_null()
        || limits["spend_control_reached"] == true
}

/// The limits in a `token_count`; `None` if it says nothing of the plan's, as after most turns that
/// failed.
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

/// Gives complete lines from the last one back until one is `wanted`, as far as [`MOST_BYTES`] from
/// the end.
fn lines_from_end(
    file: &mut File,
    size: u64,
    wanted: &mut dyn FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut position = size;
    // The bytes from `position` to the end of their line; nothing while that line is of no use,
    // being half written or too long.
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
