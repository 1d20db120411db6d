//! A made-up `codex` that speaks the protocol of the real one. It writes down what it was asked and
//! how it ended.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::home::{ACCOUNT, Home, set_mode};
use super::now;

/// The script. `$1` is `app-server`; it keeps its notes in a directory of its own. These files
/// there change what it does:
///
/// * `refuses`: `account/rateLimits/read` fails with a 401 until it is told to refresh.
/// * `error`: it always fails, with this message.
/// * `old`: it knows neither options nor parameters.
/// * `slow`: it takes its time after the end of its input, as Codex does while it refreshes.
const SCRIPT: &str = r#"#!/bin/sh
notes=$(dirname "$0")
trap 'echo killed >> "$notes/log"' HUP INT TERM
echo "started $*" >> "$notes/log"
if [ -e "$notes/old" ] && [ $# -gt 1 ]; then exit 2; fi
echo "session $(ps -o sid= -p $$ 2>/dev/null | tr -d ' ') $$" >> "$notes/log"
echo '{"method":"configWarning","params":{"summary":"made up"}}'
renewed=
while read -r line; do
    echo "$line" >> "$notes/log"
    id=$(echo "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    case "$line" in
    *'"initialize"'*) echo "{\"id\":$id,\"result\":{\"userAgent\":\"made-up\"}}" ;;
    *account/rateLimits/read*)
        echo '{"method":"remoteControl/status/changed","params":{"id":2}}'
        if [ -e "$notes/old" ] && [ "${line#*params}" != "$line" ]; then
            echo "{\"error\":{\"code\":-32600,\"message\":\"Invalid params\"},\"id\":$id}"
        elif [ -e "$notes/error" ]; then
            echo "{\"error\":{\"code\":-32603,\"message\":\"$(cat "$notes/error")\"},\"id\":$id}"
        elif [ -e "$notes/refuses" ] && [ -z "$renewed" ]; then
            message="failed: GET u failed: 401 Unauthorized; body=rt_made-up"
            echo "{\"error\":{\"code\":-32603,\"message\":\"$message\"},\"id\":$id}"
        else
            echo "{\"id\":$id,\"result\":$(cat "$notes/answer")}"
        fi ;;
    *getAuthStatus*)
        renewed=1
        echo "{\"id\":$id,\"result\":{\"authMethod\":\"chatgpt\",\"authToken\":null}}" ;;
    esac
done
echo "input closed" >> "$notes/log"
if [ -e "$notes/slow" ]; then
    i=0; while [ $i -lt 30 ]; do sleep 0.01; i=$((i + 1)); done
fi
echo "ended" >> "$notes/log"
"#;

pub struct Codex {
    /// Its directory, with its notes.
    pub directory: PathBuf,
}

impl Codex {
    pub fn new(home: &Home) -> Self {
        let directory = home.path().join("bin");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("codex"), SCRIPT).unwrap();
        set_mode(&directory.join("codex"), 0o755);
        let codex = Self { directory };
        codex.answers(ACCOUNT);
        codex
    }

    pub fn path(&self) -> String {
        self.directory.join("codex").display().to_string()
    }

    pub fn set(&self, name: &str, text: &str) {
        std::fs::write(self.directory.join(name), text).unwrap();
    }

    pub fn answers(&self, account: &str) {
        self.set("answer", &limits(account).to_string());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// The methods of the requests that it got, in order.
    pub fn asked(&self) -> Vec<String> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| Some(line["method"].as_str()?.to_owned())).collect()
    }

    pub fn was_asked(&self) -> bool {
        !self.log().is_empty()
    }
}

/// What Codex answers to the question for the limits: those of the usual answer.
pub fn limits(account: &str) -> Value {
    json!({
        "rateLimits": {
            "limitId": "codex",
            "primary": {"usedPercent": 42, "windowDurationMins": 300, "resetsAt": now() + 3810},
            "secondary": {
                "usedPercent": 17, "windowDurationMins": 10_080, "resetsAt": now() + 460_830
            },
            "planType": "plus",
        },
        "accountId": account,
    })
}
