//! Claude Code in a terminal. Its home is the stage, its key is made up, and every address that it
//! could ask is closed.

use super::Stage;
use super::terminal::Terminal;
use serde_json::json;

/// As long as a real key: Claude Code remembers an approved key by its end.
const KEY: &str = "sk-ant-made-up-abcdefghij0123456789";

/// Opens it with these settings and answers its first questions. `name` tells the terminals of a
/// stage apart.
pub fn open<'stage>(stage: &'stage Stage, name: &str, settings: &str) -> Terminal<'stage> {
    Terminal::open(stage, name, 120, 30, &command(stage, settings))
}

/// What it is started with, for `/bin/sh`.
pub fn command(stage: &Stage, settings: &str) -> String {
    let project = stage.path("");
    let project = project.to_str().expect("UTF-8").trim_end_matches('/');
    let state = json!({
        "hasCompletedOnboarding": true,
        "autoUpdates": false,
        "numStartups": 9,
        "theme": "dark",
        "customApiKeyResponses": { "approved": [&KEY[KEY.len() - 20..]], "rejected": [] },
        "projects": {
            project: { "hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true }
        },
    });
    stage.write(".claude.json", &state.to_string());
    std::fs::create_dir_all(stage.path(".claude")).expect("directory on the stage");
    stage.write(".claude/settings.json", settings);
    let closed = "http://127.0.0.1:9";
    format!(
        "exec env TERM=xterm-256color ANTHROPIC_API_KEY={KEY} ANTHROPIC_BASE_URL={closed} \
         HTTP_PROXY={closed} HTTPS_PROXY={closed} NO_PROXY=127.0.0.1 \
         DISABLE_AUTOUPDATER=1 DISABLE_TELEMETRY=1 DISABLE_ERROR_REPORTING=1 \
         CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 claude"
    )
}
