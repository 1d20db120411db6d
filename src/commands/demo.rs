//! `codexline demo`: every host's output from a sample answer, by the same code as the real line.

use crate::codex::answer;
use crate::config::settings::Settings;
use crate::hosts::HOSTS;
use crate::io::env::Env;
use crate::io::output;
use crate::line::compose;
use crate::model::entry::{Answer, Source};
use crate::model::view::View;

/// A usage answer as the server gives it, with relative reset times only.
const SAMPLE: &[u8] = include_bytes!("demo.json");
/// How old the sample pretends to be, in seconds.
const AGE: i64 = 41;

/// Prints it. Touches no file and no network.
pub fn run(settings: &Settings, env: &Env) {
    let now = env.now();
    let fetched_at = now.plus(-AGE);
    let Ok(sample) = answer::parse(SAMPLE, fetched_at) else {
        unreachable!("the sample is tested below")
    };
    let answer = Answer { fetched_at, source: Source::Api, usage: sample.usage };
    let view = View::of_answer(&answer, now, settings.thresholds)
        .measured_by(settings.severity, settings.thresholds);
    let mut text = String::new();
    for host in HOSTS {
        let settings = Settings { host, ..settings.clone() };
        text.push_str(&format!("{} ({})\n", host.name, host.about));
        for line in compose(&settings, env, std::slice::from_ref(&view)).lines() {
            text.push_str(&format!("  {line}\n"));
        }
    }
    output::print(&text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    #[test]
    fn the_sample_is_an_answer() {
        let now = Timestamp::from_unix_seconds(1_795_359_600);
        assert_eq!(answer::parse(SAMPLE, now).unwrap().usage.windows.len(), 2);
    }
}
