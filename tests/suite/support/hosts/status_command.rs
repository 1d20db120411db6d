//! A bar's `status_command` (i3blocks, i3status-rust) without the bar. Its JSON is read from
//! stdout, and clicks are written to its stdin.

use super::{Running, Stage, until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A running one.
pub struct StatusCommand {
    process: Running,
    input: ChildStdin,
    shown: Arc<Mutex<Vec<Vec<Value>>>>,
}

impl StatusCommand {
    /// Starts i3blocks with that configuration, under the name of one of its versions.
    pub fn i3blocks(stage: &Stage, program: &str, config: &str) -> Self {
        let config = stage.write("i3blocks.conf", config);
        Self::start(stage, "i3blocks", stage.command(program).arg("-c").arg(config))
    }

    /// Starts i3status-rust with that configuration.
    pub fn i3status_rust(stage: &Stage, config: &str) -> Self {
        let config = stage.write("i3status-rust.toml", config);
        Self::start(stage, "i3status-rs", stage.command("i3status-rs").arg(config))
    }

    fn start(stage: &Stage, name: &str, command: &mut Command) -> Self {
        let mut process = stage.start(name, command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let input = process.child().stdin.take().expect("piped");
        let output = process.child().stdout.take().expect("piped");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&shown);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // `{"version":1,…}`, `[`, then one array a repaint: `[{…},{…}]`, a comma before
                // or behind.
                let row = line.trim_matches(|c: char| c == ',' || c.is_whitespace());
                if let Ok(Value::Array(blocks)) = serde_json::from_str(row) {
                    sink.lock().expect("no panic under the lock").push(blocks);
                }
            }
        });
        Self { process, input, shown }
    }

    /// How often the bar was painted so far.
    pub fn repaints(&self) -> usize {
        self.shown.lock().expect("no panic under the lock").len()
    }

    /// The blocks as last painted.
    pub fn blocks(&self) -> Vec<Value> {
        let shown = self.shown.lock().expect("no panic under the lock");
        shown.last().cloned().unwrap_or_default()
    }

    /// What the block called `name` last showed. i3status-rust names its blocks by their place
    /// among those that show something; their `instance` stays, and serves as a name here.
    pub fn block(&self, name: &str) -> Option<Value> {
        self.blocks().into_iter().find(|block| block["instance"] == name || block["name"] == name)
    }

    /// Waits until the block called `name` is as `condition` wants it.
    pub fn wait_for(&self, name: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{what} in block {name}"), || self.block(name).filter(&condition))
    }

    /// Waits until the block's text contains `wanted`.
    pub fn wait_for_text(&self, name: &str, wanted: &str) -> Value {
        self.wait_for(name, &format!("{wanted:?}"), |block| {
            block["full_text"].as_str().is_some_and(|text| text.contains(wanted))
        })
    }

    /// Clicks the block with that button: 1 left, 2 middle, 3 right, 4 and 5 the wheel.
    pub fn click(&mut self, name: &str, button: u8) {
        let mut click = json!({ "name": name, "button": button, "x": 10, "y": 5 });
        if let Some(instance) = self.block(name).and_then(|block| block.get("instance").cloned()) {
            click["instance"] = instance;
        }
        // As i3bar does it: an array without end, one element a line.
        writeln!(self.input, ",{click}").expect("it reads");
    }

    /// `pkill -RTMIN+number` for it alone.
    pub fn signal(&self, number: u32) {
        self.process.realtime_signal(number);
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn alive(&mut self) -> bool {
        self.process.alive()
    }
}
