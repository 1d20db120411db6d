//! Turns of the real Codex: its model is a server of the test's, so that it writes session files
//! with token counts and rate limits that are known.

#![cfg(target_os = "linux")]

use crate::support::codex::AppServer;
use crate::support::home::{ACCOUNT, Home, Login};
use crate::support::server::{Answer, Request, Server};
use crate::support::{USAGE, now, usage};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Response number `n` uses `100 n` tokens of input and 7 of output.
const MODEL: &str = "POST /backend-api/codex/responses";

/// A model, and the rate limits that stand in the heads of its answers.
fn model(responses: &AtomicU64, used: u64) -> Answer {
    let number = responses.fetch_add(1, Ordering::Relaxed) + 1;
    let id = format!("resp_{number}");
    let usage = json!({
        "input_tokens": 100 * number, "input_tokens_details": {"cached_tokens": 10},
        "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 100 * number + 7,
    });
    let item = json!({
        "type": "message", "role": "assistant", "id": format!("msg_{number}"),
        "content": [{"type": "output_text", "text": "made up"}],
    });
    let events = [
        json!({"type": "response.created", "response": {"id": id}}),
        json!({"type": "response.output_item.done", "item": item}),
        json!({"type": "response.completed", "response": {"id": id, "usage": usage}}),
    ];
    let text: String = events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    let header = |answer: Answer, (name, value): (&str, String)| {
        answer.header(&format!("x-codex-{name}"), &value)
    };
    [
        ("primary-used-percent", used.to_string()),
        ("primary-window-minutes", "300".to_string()),
        ("primary-reset-at", (now() + 3600).to_string()),
        ("secondary-used-percent", "22".to_string()),
        ("secondary-window-minutes", "10080".to_string()),
        ("secondary-reset-at", (now() + 86_400).to_string()),
    ]
    .into_iter()
    .fold(Answer::bytes(200, "text/event-stream", text), header)
}

/// Tells Codex to take its model from the server. As its own provider of models it would first ask
/// where the account's work is routed to.
fn point_at_model(home: &Home, server: &Server) {
    home.write_config(&format!(
        "chatgpt_base_url = \"{base}\"\nmodel = \"gpt-5-codex\"\nmodel_provider = \"test\"\n\
         check_for_update_on_startup = false\n\
         [analytics]\nenabled = false\n[features]\nplugins = false\napps = false\n\
         [model_providers.test]\nname = \"test\"\nbase_url = \"{base}/codex\"\n\
         wire_api = \"responses\"\nrequires_openai_auth = true\nsupports_websockets = false\n",
        base = server.base()
    ));
}

/// A running Codex, and what it has said of each thread's tokens.
struct Codex {
    server: AppServer,
    /// The last running total of each thread.
    totals: HashMap<String, u64>,
    /// What all turns have added to the totals.
    used: u64,
}

impl Codex {
    fn start(program: &Path, home: &Home) -> Codex {
        let server = AppServer::start(program, home);
        Codex { server, totals: HashMap::new(), used: 0 }
    }

    /// A request about threads that gives one: its id.
    fn thread(&mut self, method: &str, parameters: Value) -> String {
        let answer = self.server.ask(method, Some(parameters)).unwrap();
        answer["thread"]["id"].as_str().unwrap().to_string()
    }

    fn begin(&mut self) -> String {
        self.thread("thread/start", json!({"cwd": "/", "sandbox": "read-only"}))
    }

    /// A turn; its id.
    fn turn(&mut self, thread: &str) -> String {
        let input = json!([{"type": "text", "text": "made up"}]);
        let begun =
            self.server.ask("turn/start", Some(json!({"threadId": thread, "input": input})));
        self.end_of_turn();
        begun.unwrap()["turn"]["id"].as_str().unwrap().to_string()
    }

    fn compact(&mut self, thread: &str) {
        self.server.ask("thread/compact/start", Some(json!({"threadId": thread}))).unwrap();
        self.end_of_turn();
    }

    fn end_of_turn(&mut self) {
        for line in self.server.until("turn/completed") {
            let parameters = &line["params"];
            assert_ne!(parameters["turn"]["status"], "failed", "{line}");
            if line["method"] == "thread/tokenUsage/updated" {
                let total = parameters["tokenUsage"]["total"]["totalTokens"].as_u64().unwrap();
                let thread = parameters["threadId"].as_str().unwrap().to_string();
                self.used += total - self.totals.insert(thread, total).unwrap_or(0);
            }
        }
    }

    /// A fork goes on from its parent's total.
    fn fork(&mut self, thread: &str) -> String {
        let fork = self.thread("thread/fork", json!({"threadId": thread}));
        self.totals.insert(fork.clone(), self.totals[thread]);
        fork
    }

    /// Takes back the last turn, before which the total was `total`.
    fn revert(&mut self, thread: &str, turn: &str, total: u64) {
        let parameters = json!({"threadId": thread, "beforeTurnId": turn});
        assert_eq!(self.thread("thread/revert", parameters), thread);
        self.totals.insert(thread.to_string(), total);
    }
}

#[test]
fn the_counts_are_codexs_own_after_forks_reverts_and_compactions() {
    let program = needs!("codex");
    let responses = Arc::new(AtomicU64::new(0));
    let server = Server::start({
        let responses = Arc::clone(&responses);
        move |request: &Request| match request.line().as_str() {
            MODEL => model(&responses, 42),
            _ => Answer::json(404, &json!({})),
        }
    });
    let home = Home::at(&server, &Login::of("acc-1"));
    point_at_model(&home, &server);
    let mut turns = 0;
    let mut check = |codex: &Codex, done: u64, sessions: u64| {
        turns += done;
        let responses = responses.load(Ordering::Relaxed);
        let total = 50 * responses * (responses + 1) + 7 * responses;
        assert_eq!(codex.used, total, "Codex counts what its model said");
        let told = home.run(&["activity", "--json", "--days", "2"]).json()["total"].take();
        let found = ["total_tokens", "turns", "sessions"].map(|key| told[key].as_u64().unwrap());
        assert_eq!(found, [total, turns, sessions]);
    };

    let mut codex = Codex::start(&program, &home);
    let thread = codex.begin();
    codex.turn(&thread);
    codex.turn(&thread);
    check(&codex, 2, 1);

    // Resumed by another process.
    codex.server.close();
    codex.server = AppServer::start(&program, &home);
    codex.thread("thread/resume", json!({"threadId": thread}));
    codex.turn(&thread);
    check(&codex, 1, 1);

    let fork = codex.fork(&thread);
    codex.turn(&fork);
    // The first line that a fork writes of tokens can be a total of its parent's.
    let fork = codex.fork(&thread);
    codex.compact(&fork);
    check(&codex, 2, 3);

    codex.compact(&thread);
    let before = codex.totals[&thread];
    let turn = codex.turn(&thread);
    codex.revert(&thread, &turn, before);
    codex.turn(&thread);
    check(&codex, 3, 3);

    // So can it be in the segment that a revert begins, and a fork of that is one like the others.
    let before = codex.totals[&thread];
    let turn = codex.turn(&thread);
    codex.revert(&thread, &turn, before);
    codex.compact(&thread);
    let fork = codex.fork(&thread);
    codex.turn(&fork);
    check(&codex, 3, 4);
    codex.server.close();
}

#[test]
fn after_a_turn_of_codex_the_next_line_has_its_numbers_and_the_service_was_not_asked() {
    let program = needs!("codex");
    let responses = AtomicU64::new(0);
    let server = Server::start(move |request: &Request| match request.line().as_str() {
        MODEL => model(&responses, 61),
        USAGE => Answer::json(200, &usage()),
        _ => Answer::json(404, &json!({})),
    });
    let mut home = Home::at(&server, &Login::of(ACCOUNT));
    home.unset("CODEXLINE_MAX_IDLE");
    point_at_model(&home, &server);
    home.fill();
    let used = || {
        let told = home.run(&["json", "--wait", "5s"]).json();
        let windows = told["windows"].as_array().unwrap();
        let used: Vec<f64> =
            windows.iter().map(|window| window["used_percent"].as_f64().unwrap()).collect();
        (used, told["source"].as_str().unwrap().to_string())
    };
    assert_eq!(used(), (vec![42.0, 17.0], "api".to_string()));
    home.age(Duration::from_secs(300));
    let mut codex = Codex::start(&program, &home);
    let thread = codex.begin();
    codex.turn(&thread);
    let asked = server.count(USAGE);
    assert_eq!(used(), (vec![61.0, 22.0], "sessions".to_string()));
    assert_eq!(server.count(USAGE), asked);
    codex.server.close();
}
