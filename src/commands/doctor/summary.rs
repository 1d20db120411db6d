//! The page of `codexline doctor` on a terminal: the verdict, what is broken and what to do, and
//! one row for each area.

use super::{Finding, Verdict};
use crate::model::text::fit;
use crate::model::usage::Severity;
use crate::render::colour::{PLAIN, Palette, Style, Weight};

/// The area of a row that only names an account.
pub const ACCOUNT: &str = "account";

/// Where the text of a row begins, on a terminal that is wide enough for that.
const INDENT: usize = 21;
const NARROW_INDENT: usize = 4;
const WIDE: usize = 60;
const WIDEST: usize = 80;

pub struct Summary<'a> {
    pub findings: &'a [Finding],
    pub palette: Palette,
    pub paint: fn(style: Style, text: &str, out: &mut String),
    pub columns: usize,
}

const BOLD: Style = Style { weight: Weight::Bold, ..PLAIN };

impl Summary<'_> {
    pub fn text(&self) -> String {
        let mut out = String::with_capacity(2048);
        self.verdict(&mut out);
        // Several accounts: each begins with the finding that names it.
        for part in self.findings.chunk_by(|_, next| next.area != ACCOUNT) {
            out.push('\n');
            let mut findings = part;
            if let [account, rest @ ..] = part
                && account.area == ACCOUNT
            {
                (self.paint)(BOLD, &account.found, &mut out);
                out.push('\n');
                findings = rest;
            }
            self.broken(findings, &mut out);
            self.areas(findings, &mut out);
        }
        out.push_str("\nEvery check: codexline doctor --all\n");
        out
    }

    fn count(&self, state: Verdict) -> usize {
        let counted = |finding: &&Finding| finding.state == state && finding.area != ACCOUNT;
        self.findings.iter().filter(counted).count()
    }

    fn verdict(&self, out: &mut String) {
        let plural = |count: usize, what: &str| {
            (count > 0).then(|| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
        };
        let passed = plural(self.count(Verdict::Ok), "check").map(|text| format!("{text} passed"));
        let notes = plural(self.count(Verdict::Note), "note");
        let problems = plural(self.count(Verdict::Broken), "problem");
        let counts =
            if problems.is_some() { [problems, notes, passed] } else { [None, passed, notes] };
        let counts = format!("{}.", counts.into_iter().flatten().collect::<Vec<_>>().join(", "));
        let is_broken = |finding: &&Finding| finding.state == Verdict::Broken;
        let (style, verdict) = match self.findings.iter().find(is_broken) {
            None => (BOLD, "codexline works."),
            Some(_) => {
                let mut broken = self.findings.iter().filter(is_broken);
                let is_harmless = broken.all(|finding| finding.name == "settings");
                let style = self.palette.of(Severity::Critical);
                match is_harmless {
                    true => (style, "codexline works, but not as its config file says."),
                    false => (style, "codexline cannot get new numbers."),
                }
            }
        };
        let columns = self.columns.min(WIDEST);
        let is_one_line = verdict.len() + 1 + counts.len() <= columns;
        for (number, line) in fit(verdict, columns).iter().enumerate() {
            if number > 0 {
                out.push('\n');
            }
            (self.paint)(style, line, out);
        }
        out.push(if is_one_line { ' ' } else { '\n' });
        out.push_str(&fit(&counts, columns).join("\n"));
        out.push('\n');
    }

    /// What is broken, each with what to do on a line of its own.
    fn broken(&self, findings: &[Finding], out: &mut String) {
        let mut any = false;
        for finding in findings.iter().filter(|finding| finding.state == Verdict::Broken) {
            any = true;
            self.row(finding.state, finding.area, &finding.found, BOLD, out);
            if let Some(advice) = &finding.advice {
                for line in fit(advice, self.room()) {
                    out.push_str(&" ".repeat(self.indent()));
                    (self.paint)(BOLD, &line, out);
                    out.push('\n');
                }
            }
        }
        if any {
            out.push('\n');
        }
    }

    /// A row for each area in which nothing is broken: its notes, or what is good about it.
    fn areas(&self, findings: &[Finding], out: &mut String) {
        for area in ["program", "login", "network", "numbers", "codex", "hosts"] {
            let of_area: Vec<&Finding> =
                findings.iter().filter(|finding| finding.area == area).collect();
            let is = |state| of_area.iter().filter(move |finding| finding.state == state);
            if of_area.is_empty() || is(Verdict::Broken).next().is_some() {
                continue;
            }
            let notes: Vec<String> = is(Verdict::Note).map(|finding| finding.text()).collect();
            if notes.is_empty() {
                self.row(Verdict::Ok, area, &good(area, &of_area), PLAIN, out);
            }
            for note in notes {
                self.row(Verdict::Note, area, &note, PLAIN, out);
            }
        }
    }

    fn indent(&self) -> usize {
        if self.columns >= WIDE { INDENT } else { NARROW_INDENT }
    }

    fn room(&self) -> usize {
        self.columns.min(WIDEST).saturating_sub(self.indent()).max(1)
    }

    fn row(&self, state: Verdict, area: &str, text: &str, style: Style, out: &mut String) {
        out.push_str("  ");
        (self.paint)(style, &format!("{:<6}", state.name()), out);
        out.push_str("  ");
        (self.paint)(style, area, out);
        let lines = fit(text, self.room());
        let indent = format!("\n{}", " ".repeat(self.indent()));
        if self.columns >= WIDE {
            out.push_str(&" ".repeat(INDENT.saturating_sub(10 + area.len()).max(1)));
        } else {
            out.push_str(&indent);
        }
        out.push_str(&lines.join(&indent));
        out.push('\n');
    }
}

/// What is good about an area, in a few words.
fn good(area: &str, findings: &[&Finding]) -> String {
    let found = |name: &str| {
        findings.iter().find(|finding| finding.name == name).map(|finding| finding.found.as_str())
    };
    // What stands behind the path.
    let behind = |text: &str| text.rsplit_once(": ").map_or(text, |(_, rest)| rest).to_string();
    match area {
        "program" => format!(
            "codexline {}, {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        "login" => {
            let renewable = found("renewal").map_or("", |_| ", renewable");
            let login = behind(found("login").unwrap_or("found"));
            format!("{}{renewable}", login.replace("access token ends in", "token good for"))
        }
        "network" => match (found("server"), found("clock")) {
            (None, _) => "not needed for this source".to_string(),
            (Some(_), Some(_)) => "the usage endpoint answers, clock right".to_string(),
            (Some(_), None) => "the usage endpoint answers".to_string(),
        },
        "numbers" => {
            format!("{}; nothing failed lately", behind(found("cache").unwrap_or("none yet")))
        }
        "hosts" => {
            let names = findings.iter().filter(|finding| finding.found.contains(" names "));
            let names: Vec<&str> =
                names.filter_map(|finding| finding.found.split(':').next()).collect();
            match names.is_empty() {
                true => "none set up: codexline init".to_string(),
                false => names.join(", "),
            }
        }
        _ => findings.first().map(|finding| finding.found.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::width;
    use crate::render::colour::TERMINAL;
    use crate::render::style::uncoloured;

    fn findings(broken: bool) -> Vec<Finding> {
        let login = "~/.codex/auth.json: a ChatGPT login, mode 0600, access token ends in 9d23h";
        let mut findings = vec![
            (
                "program",
                Finding::ok("binary", "codexline 0.1.0 (linux x86_64), /usr/bin/codexline"),
            ),
            ("login", Finding::ok("login", login)),
            ("login", Finding::ok("renewal", "possible: the new token could be stored")),
            ("network", Finding::ok("server", "reached")),
            ("network", Finding::ok("clock", "as the server's")),
            ("numbers", Finding::ok("cache", "~/.cache/x.json: 1m old, source api")),
            (
                "codex",
                Finding::note("codex", "not on PATH")
                    .with("needed only if the endpoint cannot be asked"),
            ),
            ("hosts", Finding::ok("host", "tmux: ~/.tmux.conf names codexline")),
            ("hosts", Finding::ok("host", "zsh: ~/.zshrc names codexline")),
        ];
        if broken {
            let ended = "the login in ~/.codex/auth.json has ended (invalid_grant)";
            let ended = Finding::new("ledger", Verdict::Broken, ended).with("run codex login");
            findings.push(("login", ended));
        }
        findings.into_iter().map(|(area, finding)| Finding { area, ..finding }).collect()
    }

    fn text(broken: bool, columns: usize) -> String {
        let findings = findings(broken);
        let paint = uncoloured;
        Summary { findings: &findings, palette: TERMINAL, paint, columns }.text()
    }

    #[test]
    fn the_verdict_comes_first() {
        let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text(false, 80),
            format!(
                "codexline works. 8 checks passed, 1 note.\n\n  \
                 ok      program    codexline {version}, {system}\n  \
                 ok      login      a ChatGPT login, mode 0600, token good for 9d23h, renewable\n  \
                 ok      network    the usage endpoint answers, clock right\n  \
                 ok      numbers    1m old, source api; nothing failed lately\n  \
                 note    codex      not on PATH; needed only if the endpoint cannot be asked\n  \
                 ok      hosts      tmux, zsh\n\n\
                 Every check: codexline doctor --all\n"
            )
        );
        let broken = text(true, 80);
        let expected = "\
codexline cannot get new numbers. 1 problem, 1 note, 8 checks passed.

  broken  login      the login in ~/.codex/auth.json has ended (invalid_grant)
                     run codex login

  ok      program    ";
        assert!(broken.starts_with(expected), "{broken}");
        assert!(!broken.contains("ok      login"), "{broken}");
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for columns in [40, 60, 80, 200] {
            let text = text(true, columns);
            assert!(text.lines().all(|line| width(line) <= columns.min(WIDEST)), "{text}");
        }
    }
}
