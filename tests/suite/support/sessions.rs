//! Session files as Codex writes them, with known totals: for the tests and the benchmark.
//!
//! A [`Writer`] plays several versions of Codex side by side. It appends lines to a [`Sink`] in the
//! order in which Codex would, and counts the work that it makes up. What is copied into a fork is
//! no work. The formats are those that Codex 0.64, 0.120 and 0.169 wrote when they were run for
//! this.
#![allow(dead_code)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Who wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 0.64: there are no turn events. The running total of a resumed session starts again at zero.
    /// Lines copied into a fork keep their times.
    Old,
    /// 0.120: turns have events and UUIDs. Lines copied into a fork carry the time of the fork.
    Middle,
    /// 0.169 in a session that an older version began: `token_usage_record`s, and forks by copy.
    Legacy,
    /// 0.169: numbered lines, forks by reference, and subagents with a part of their parent's
    /// history.
    Paginated,
    /// Not Codex: another order of keys and other spacing, names instead of UUIDs, no threads in
    /// records, and copies with new times. A reader must look copies up in the parent's file.
    Plain,
}

pub const VERSIONS: [Version; 5] =
    [Version::Old, Version::Middle, Version::Legacy, Version::Paginated, Version::Plain];

/// Where lines go.
pub trait Sink {
    /// Appends to a file, whose name is relative to the Codex home.
    fn append(&mut self, file: &str, text: &str);
}

/// Lines in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub struct Script(pub Vec<(String, String)>);

impl Sink for Script {
    fn append(&mut self, file: &str, text: &str) {
        self.0.push((file.to_string(), text.to_string()));
    }
}

/// Files on disk. The last one is kept open.
pub struct Disk {
    home: PathBuf,
    open: Option<(String, File)>,
    pub bytes: u64,
}

impl Disk {
    pub fn new(home: &Path) -> Disk {
        Disk { home: home.to_path_buf(), open: None, bytes: 0 }
    }
}

impl Sink for Disk {
    fn append(&mut self, file: &str, text: &str) {
        if self.open.as_ref().is_none_or(|(name, _)| name != file) {
            self.open = Some((file.to_string(), open(&self.home.join(file))));
        }
        if let Some((_, open)) = &mut self.open {
            open.write_all(text.as_bytes()).expect("the disk takes it");
        }
        self.bytes += text.len() as u64;
    }
}

fn open(path: &Path) -> File {
    fs::create_dir_all(path.parent().expect("a file lies somewhere"))
        .expect("a directory can be made");
    OpenOptions::new().append(true).create(true).open(path).expect("a file can be made")
}

/// Input, cached input, output, reasoning output, total.
pub type Tokens = [u64; 5];

/// Work, and when it was done.
#[derive(Clone, Debug)]
pub struct Work {
    pub file: String,
    /// Unix milliseconds.
    pub time: i64,
    pub session: String,
    pub turns: u64,
    pub tokens: Tokens,
}

/// Sessions, turns, tokens.
pub type Counts = (u64, u64, Tokens);

/// The work by day and in total, to compare with what was read.
pub fn by_day(work: &[Work], zone: &jiff::tz::TimeZone) -> (BTreeMap<String, Counts>, Counts) {
    let mut days: BTreeMap<String, (BTreeSet<&str>, Counts)> = BTreeMap::new();
    let mut total = (BTreeSet::new(), Counts::default());
    for work in work.iter().filter(|work| work.turns > 0 || work.tokens != Tokens::default()) {
        let time = jiff::Timestamp::from_millisecond(work.time).expect("made-up times are times");
        let day = days.entry(time.to_zoned(zone.clone()).date().to_string()).or_default();
        for (sessions, (count, turns, tokens)) in [day, &mut total] {
            sessions.insert(&work.session);
            *count = sessions.len() as u64;
            *turns += work.turns;
            add(tokens, &work.tokens);
        }
    }
    (days.into_iter().map(|(date, (_, counts))| (date, counts)).collect(), total.1)
}

fn add(sum: &mut Tokens, more: &Tokens) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

/// The same numbers every time (xorshift).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end.max(1)
    }

    pub fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

#[derive(Clone, Debug)]
struct Line {
    /// `"type":…,"payload":…`
    body: String,
    time: i64,
    /// Whether it is copied into a subagent's file. Token counts are not.
    counts: bool,
}

#[derive(Clone, Debug)]
struct Thread {
    version: Version,
    id: String,
    session: String,
    file: String,
    subagent: bool,
    lines: Vec<Line>,
    next_ordinal: u64,
    total: Tokens,
    /// As `total`, compactions included.
    used: Tokens,
    turns: u64,
}

/// Makes up sessions.
pub struct Writer<S> {
    pub sink: S,
    pub random: Random,
    /// All that a reader should find.
    pub work: Vec<Work>,
    /// Unix milliseconds.
    pub clock: i64,
    /// The longest time between two steps, in milliseconds. Before a session is resumed it is
    /// twelve times as long.
    pub pace: u64,
    /// Bytes of text in lines that are not counted.
    pub talk: std::ops::Range<u64>,
    /// Such lines in each turn.
    pub chatter: u64,
    /// Whether there are responses that no running total includes: compactions, from Codex 0.169
    /// on. A reader that goes by the total alone misses them (ccusage 20.0 does).
    pub compactions: bool,
    /// Length of the first line's instructions.
    pub instructions: usize,
    threads: Vec<Thread>,
    made: u64,
    words: String,
}

impl<S: Sink> Writer<S> {
    /// From 2026-11-20T00:00:00Z on.
    pub fn new(seed: u64, sink: S) -> Writer<S> {
        Writer {
            sink,
            random: Random::new(seed),
            work: Vec::new(),
            clock: 1_795_132_800_000,
            pace: 3 * 3600 * 1000,
            talk: 0..300,
            chatter: 2,
            compactions: true,
            instructions: 300,
            threads: Vec::new(),
            made: 0,
            words: String::new(),
        }
    }

    /// One random step: a new session, or something in one that is there.
    pub fn step(&mut self) {
        self.clock += self.random.below(self.pace) as i64;
        let thread = match self.threads.len() as u64 {
            0 => None,
            count => Some(self.random.below(count) as usize),
        };
        match (self.random.below(10), thread) {
            (0..3, _) | (_, None) => {
                let version = VERSIONS[self.random.below(VERSIONS.len() as u64) as usize];
                let thread = self.begin(version);
                self.turn(thread);
            }
            (3..6, Some(thread)) => self.turn(thread),
            (6, Some(thread)) => self.failed_turn(thread),
            (7, Some(thread)) => self.resume(thread),
            (8, Some(thread)) => {
                if let Some(fork) = self.fork(thread) {
                    self.turn(fork);
                }
            }
            (_, Some(thread)) => self.spawn(thread),
        }
    }

    /// The file of every thread.
    pub fn files(&self) -> Vec<String> {
        self.threads.iter().map(|thread| thread.file.clone()).collect()
    }

    /// A new session, without a turn.
    pub fn begin(&mut self, version: Version) -> usize {
        let (id, file) = self.new_file(version);
        let session = id.clone();
        self.threads.push(Thread {
            version,
            id,
            session,
            file,
            subagent: false,
            lines: Vec::new(),
            next_ordinal: 0,
            total: Tokens::default(),
            used: Tokens::default(),
            turns: 0,
        });
        let thread = self.threads.len() - 1;
        let meta = self.meta(thread, "");
        self.write(thread, meta, false);
        thread
    }

    /// A turn of one to three responses.
    pub fn turn(&mut self, thread: usize) {
        let turn = self.begin_turn(thread);
        for _ in 0..=self.random.below(3) {
            self.talk(thread);
            self.response(thread, &turn);
        }
        self.end_turn(thread, &turn);
    }

    /// A turn that is refused. It repeats the running total and has no limits.
    pub fn failed_turn(&mut self, thread: usize) {
        let turn = self.begin_turn(thread);
        if self.threads[thread].total != Tokens::default() {
            let zero = Tokens::default();
            let line = token_count(&self.threads[thread].total, &zero, "null");
            self.write(thread, line, true);
        }
        self.end_turn(thread, &turn);
    }

    /// The session goes on in its old file, with another process.
    pub fn resume(&mut self, thread: usize) {
        self.clock += self.random.below(13 * self.pace) as i64;
        if self.threads[thread].version == Version::Old {
            self.threads[thread].total = Tokens::default();
        }
        self.turn(thread);
    }

    /// A fork: a session that begins with the history of another. `None` where this version has
    /// none.
    pub fn fork(&mut self, parent: usize) -> Option<usize> {
        if self.threads[parent].subagent {
            return None;
        }
        let mut fork = self.threads[parent].clone();
        (fork.id, fork.file) = self.new_file(fork.version);
        fork.session = fork.id.clone();
        fork.lines.clear();
        self.threads.push(fork);
        let thread = self.threads.len() - 1;
        let parents = self.threads[parent].clone();
        let mut more = format!(r#""forked_from_id":"{}","#, parents.id);
        if parents.version == Version::Paginated {
            let end = parents.next_ordinal;
            more += &format!(
                r#""history_base":{{"thread_id":"{}","end_ordinal_exclusive":{end}}},"#,
                parents.id
            );
        }
        let meta = self.meta(thread, &more);
        self.write(thread, meta, false);
        if parents.version != Version::Paginated {
            // All of it, or all but the last turn.
            for line in &parents.lines {
                let time = if parents.version == Version::Old { line.time } else { self.clock };
                self.threads[thread].lines.push(line.clone());
                self.append(thread, &line.body, time);
                self.clock += i64::from(self.random.one_in(4));
            }
        }
        // Somebody thinks before writing. Where identifiers tell nothing, this pause is the only
        // hint.
        self.clock +=
            if matches!(parents.version, Version::Old | Version::Plain) { 5000 } else { 14 };
        Some(thread)
    }

    /// A subagent that does something on its own.
    pub fn spawn(&mut self, parent: usize) {
        let parents = self.threads[parent].clone();
        if !matches!(parents.version, Version::Paginated | Version::Middle) {
            return self.turn(parent);
        }
        let (id, file) = self.new_file(parents.version);
        let shared: Vec<Line> = match parents.version {
            Version::Paginated => {
                parents.lines.iter().filter(|line| !line.counts).cloned().collect()
            }
            _ => parents.lines.clone(),
        };
        let start = shared.len() as u64 + 1;
        self.threads.push(Thread {
            id,
            file,
            subagent: true,
            lines: Vec::new(),
            next_ordinal: 0,
            total: if parents.version == Version::Paginated {
                Tokens::default()
            } else {
                parents.total
            },
            ..parents.clone()
        });
        let thread = self.threads.len() - 1;
        let mut more = format!(
            r#""forked_from_id":"{0}","source":{{"subagent":{{"thread_spawn":{{{1}}}}}}},"#,
            parents.id,
            format_args!(r#""parent_thread_id":"{}","depth":1"#, parents.id)
        );
        if parents.version == Version::Paginated {
            more += &format!(r#""subagent_history_start_ordinal":{start},"#);
        }
        let meta = self.meta(thread, &more);
        self.write(thread, meta, false);
        for line in shared {
            let time = self.clock;
            self.threads[thread].lines.push(line.clone());
            self.append(thread, &line.body, time);
        }
        self.clock += 3;
        self.turn(thread);
    }

    fn new_file(&mut self, version: Version) -> (String, String) {
        self.clock += 2;
        let id = match version {
            Version::Plain => format!("session-{}", self.made),
            _ => self.uuid(),
        };
        self.made += 1;
        let time = jiff::Timestamp::from_millisecond(self.clock).expect("made-up times are times");
        let name = time.strftime("sessions/%Y/%m/%d/rollout-%Y-%m-%dT%H-%M-%S");
        (id.clone(), format!("{name}-{id}.jsonl"))
    }

    /// A UUID of version 7.
    fn uuid(&mut self) -> String {
        self.made += 1;
        let time = self.clock as u64;
        format!("{:08x}-{:04x}-7000-8000-{:012x}", time >> 16, time & 0xffff, self.made)
    }

    fn meta(&mut self, thread: usize, more: &str) -> String {
        let instructions =
            "You are an agent that is careful with {braces}, and says what it did.\\n"
                .repeat(self.instructions / 70);
        let Thread { id, session, version, .. } = &self.threads[thread];
        let session = match version {
            Version::Legacy | Version::Paginated => format!(r#""session_id":"{session}","#),
            _ => String::new(),
        };
        let time = rfc3339(self.clock);
        let first = format!(r#"{session}"id":"{id}",{more}"timestamp":"{time}","cwd":"/work""#);
        let rest = r#""creator_account_id":"acc-1","base_instructions":"#;
        record("session_meta", &format!(r#"{first},{rest}{{"text":"{instructions}"}}"#))
    }

    fn begin_turn(&mut self, thread: usize) -> String {
        self.clock += 1;
        let turns = self.threads[thread].turns;
        self.threads[thread].turns += 1;
        let turn = match self.threads[thread].version {
            Version::Plain => format!("turn-{}-{turns}", self.threads[thread].id),
            _ => self.uuid(),
        };
        let started = self.clock / 1000;
        let seconds = if self.threads[thread].version == Version::Plain {
            String::new()
        } else {
            format!(r#","started_at":{started}"#)
        };
        if self.threads[thread].version != Version::Old {
            let rest = format!(r#""turn_id":"{turn}"{seconds},"model_context_window":258400"#);
            self.write(thread, event("task_started", &rest), false);
        }
        if self.threads[thread].version != Version::Paginated {
            let line = event("user_message", r#""message":"go on","images":[]"#);
            self.write(thread, line, false);
        }
        let turn_id = match self.threads[thread].version {
            Version::Old | Version::Plain => String::new(),
            _ => format!(r#""turn_id":"{turn}","#),
        };
        let line = format!(
            r#""type":"turn_context","payload":{{{turn_id}"cwd":"/work","model":"gpt-5.2"}}"#
        );
        self.write(thread, line, false);
        if !self.threads[thread].subagent {
            self.note(thread, 1, Tokens::default());
        }
        turn
    }

    fn end_turn(&mut self, thread: usize, turn: &str) {
        self.clock += 5;
        if self.threads[thread].version != Version::Old {
            let rest = format!(r#""turn_id":"{turn}","last_agent_message":null"#);
            self.write(thread, event("task_complete", &rest), false);
        }
    }

    /// Lines that do not count. Some contain words of lines that do.
    fn talk(&mut self, thread: usize) {
        for _ in 0..self.random.below(2 * self.chatter + 1) {
            let length = self.talk.start + self.random.below(self.talk.end - self.talk.start);
            while (self.words.len() as u64) < length {
                self.words += r#"fn main() { println!(\"{\\\"type\\\":\\\"token_count\\\"}\"); } "#;
                self.words += r"// task_started\n";
            }
            let mut end = length as usize;
            while end > 0 && !self.words[..end].ends_with('n') {
                end -= 1;
            }
            let output = format!(r#""call_id":"c","output":"{}""#, &self.words[..end]);
            let line =
                record("response_item", &format!(r#""type":"function_call_output",{output}"#));
            self.clock += 20;
            self.write(thread, line, false);
        }
    }

    fn response(&mut self, thread: usize, turn: &str) {
        self.clock += 2000 + self.random.below(60_000) as i64;
        let (input, output) = (1000 + self.random.below(100_000), 10 + self.random.below(2000));
        let cached = self.random.below(input);
        let tokens = [input, cached, output, self.random.below(output), input + output];
        let Thread { version, id, session, .. } = self.threads[thread].clone();
        if self.threads[thread].total != Tokens::default() && version != Version::Paginated {
            // The limits come with the head of the response, before its tokens: this line repeats
            // the total.
            let line = token_count(&self.threads[thread].total, &tokens, LIMITS);
            self.write(thread, line, true);
        }
        let in_total = !self.compactions
            || !matches!(version, Version::Legacy | Version::Paginated)
            || !self.random.one_in(8);
        add(&mut self.threads[thread].used, &tokens);
        if in_total {
            add(&mut self.threads[thread].total, &tokens);
        }
        if !matches!(version, Version::Old | Version::Middle) {
            self.made += 1;
            let made = self.made;
            let whose = match version {
                Version::Plain => String::new(),
                _ => format!(r#""thread_id":"{id}","turn_id":"{turn}","session_id":"{session}","#),
            };
            let (usage, used) = (usage(&tokens), usage(&self.threads[thread].used));
            let usages = format!(
                r#""usage":{usage},"turn_token_usage":{usage},"thread_token_usage":{used}"#
            );
            let payload = format!(r#"{whose}"response_id":"resp_{made:08x}",{usages}"#);
            self.write(thread, record("token_usage_record", &payload), true);
        }
        if in_total {
            let line = token_count(&self.threads[thread].total, &tokens, LIMITS);
            self.write(thread, line, true);
        } else {
            let id = format!(r#""compaction_response_id":"resp_{:08x}""#, self.made);
            let line = record("compacted", &format!(r#""message":"so far",{id}"#));
            self.write(thread, line, true);
        }
        self.note(thread, 0, tokens);
    }

    fn note(&mut self, thread: usize, turns: u64, tokens: Tokens) {
        let Thread { file, session, .. } = self.threads[thread].clone();
        self.work.push(Work { file, time: self.clock, session, turns, tokens });
    }

    fn write(&mut self, thread: usize, body: String, counts: bool) {
        let time = self.clock;
        self.append(thread, &body, time);
        self.threads[thread].lines.push(Line { body, time, counts });
    }

    fn append(&mut self, thread: usize, body: &str, time: i64) {
        let Thread { version, file, next_ordinal, .. } = &mut self.threads[thread];
        let time = rfc3339(time);
        let line = match version {
            Version::Paginated => {
                let line =
                    format!("{{\"timestamp\":\"{time}\",\"ordinal\":{next_ordinal},{body}}}\n");
                *next_ordinal += 1;
                line
            }
            Version::Plain if *next_ordinal == 0 => {
                format!("{{{body},\"timestamp\":\"{time}\"}}\n")
            }
            Version::Plain => {
                format!("{{ \"timestamp\": \"{time}\", {} }}\n", body.replace("\":", "\": "))
            }
            _ => format!("{{\"timestamp\":\"{time}\",{body}}}\n"),
        };
        self.sink.append(file, &line);
    }
}

const LIMITS: &str = r#"{"used_percent":42.0,"window_minutes":300,"resets_at":1795370914}"#;

fn token_count(total: &Tokens, last: &Tokens, primary: &str) -> String {
    let (total, last) = (usage(total), usage(last));
    let usages = format!(r#""total_token_usage":{total},"last_token_usage":{last}"#);
    let limits = format!(r#""limit_id":"codex","primary":{primary},"secondary":null"#);
    event(
        "token_count",
        &(format!(r#""info":{{{usages},"model_context_window":258400}},"#)
            + &format!(r#""rate_limits":{{{limits},"credits":null,"plan_type":"plus"}}"#)),
    )
}

/// A line's type and payload, without the braces around the line.
fn record(kind: &str, payload: &str) -> String {
    format!(r#""type":"{kind}","payload":{{{payload}}}"#)
}

/// The most frequent kind of [`record`].
fn event(kind: &str, rest: &str) -> String {
    record("event_msg", &format!(r#""type":"{kind}",{rest}"#))
}

fn usage([input, cached, output, reasoning, total]: &Tokens) -> String {
    let inputs = format!(r#""input_tokens":{input},"cached_input_tokens":{cached}"#);
    let outputs = format!(r#""output_tokens":{output},"reasoning_output_tokens":{reasoning}"#);
    format!(r#"{{{inputs},{outputs},"total_tokens":{total}}}"#)
}

fn rfc3339(time: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(time).expect("made-up times are times");
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Moves a file to `archived_sessions/`, as Codex does; its new name below the home.
pub fn archive(home: &Path, file: &str) -> String {
    let name =
        Path::new(file).file_name().and_then(|name| name.to_str()).expect("a file has a name");
    let target = format!("archived_sessions/{name}");
    fs::create_dir_all(home.join("archived_sessions")).expect("a directory can be made");
    fs::rename(home.join(file), home.join(&target)).expect("a file can be moved");
    target
}

/// Replaces a file with its compressed form, as Codex does; its new name below the home.
pub fn compress(home: &Path, file: &str) -> String {
    let target = format!("{file}.zst");
    let text = fs::read(home.join(file)).expect("the file is there");
    let packed = zstd::encode_all(&text[..], 3).expect("bytes can be packed");
    fs::write(home.join(&target), packed).expect("the disk takes it");
    fs::remove_file(home.join(file)).expect("a file can be removed");
    target
}

/// The lines of each file, joined.
pub fn contents(script: &Script) -> HashMap<String, String> {
    let mut files: HashMap<String, String> = HashMap::new();
    for (file, text) in &script.0 {
        *files.entry(file.clone()).or_default() += text;
    }
    files
}
