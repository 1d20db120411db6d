//! The grammar of the command line: every command, and which options it takes.

use crate::commands::help;
use crate::commands::init::INTEGRATIONS;
use crate::config::options::{OPTIONS, Opt, Worker};
use crate::hosts::{self, HOSTS};
use clap::{Arg, ArgAction, Command};

pub const NAME: &str = "codexline";
/// The shells for which there is a generator of completions.
pub const SHELLS: [&str; 6] = ["bash", "zsh", "fish", "nushell", "elvish", "powershell"];

/// The options that decide how a line looks.
const LOOKS: [&str; 11] = [
    "format",
    "window",
    "separator",
    "short",
    "icon",
    "glyphs",
    "warn",
    "critical",
    "severity",
    "color",
    "colors",
];

/// The whole grammar.
pub fn command() -> Command {
    grammar(true)
}

/// The grammar. clap's `hide` hides only from its help, so the generators ask for a grammar without
/// what is hidden.
pub fn grammar(with_hidden: bool) -> Command {
    let host = Arg::new("host").value_name("HOST").help(host_help());
    let config = Command::new("config")
        .about("Show what is in force for a host, and where each value comes from")
        .arg(switch("default", "print a config file of all defaults, with comments, instead"))
        .arg(host.clone().help("The host that is meant; without it, no host's section counts"))
        .args(OPTIONS.iter().map(|option| arg(option, true)).filter(|_| with_hidden));
    let dry_run = switch("dry-run", "show what would change, and change nothing");
    let init = Command::new("init")
        .about("Set a host up, or take it out again; without a host, list those installed here")
        .arg(Arg::new("integration").value_name("HOST").help(init_help()))
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("One file of it; without it, those that everybody needs"),
        )
        .arg(
            switch("write", "write it into the host's configuration, between marker lines")
                .conflicts_with("remove"),
        )
        .arg(switch("remove", "take it out again; without a host, all of them"))
        .arg(dry_run.clone())
        .arg(switch("push", "with tmux: have each fetch put the line into the bar"))
        .arg(switch("env", "with starship: have zsh and bash keep the line in a variable"))
        .arg(switch("list", "list every host with its files and where they belong"));
    let uninstall = Command::new("uninstall")
        .about("Take codexline out of every host's configuration")
        .arg(switch(
            "purge",
            "remove the cache, the config file and our files beside auth.json too",
        ))
        .arg(dry_run);
    let shells = SHELLS.join(", ");
    let completions = Command::new("completions")
        .about("Print completions for a shell")
        .arg(Arg::new("shell").value_name("SHELL").help(shells));
    let topics: Vec<&str> = help::TOPICS.iter().map(|topic| topic.name).collect();
    let help =
        Command::new("help").about("Show the help of a command, or a topic of the reference").arg(
            Arg::new("topic")
                .value_name("TOPIC")
                .num_args(0..=2)
                .help(format!("a command, or {}", topics.join(", "))),
        );
    let man = Command::new("man").about("Print the man page");
    let worker = switch("worker", "behind a prompt, under a lock that is handed over").hide(true);
    let force = switch("force", "with --worker: also if the entry is fresh").hide(true);
    let pools = switch("shows-pools", "with --worker: the line shows pools").hide(true);
    let budget = switch("shows-budget", "with --worker: the line shows the budget").hide(true);
    let fetch = Command::new("fetch")
        .about("Fetch now, whatever the cache's age; silent on success, exit 1 on failure")
        .args([worker.clone(), force, pools, budget].into_iter().filter(|_| with_hidden))
        .args(args(&FETCHING, false))
        .args(told(Worker::Fetch, &FETCHING).filter(|_| with_hidden));
    let refresh = Command::new("refresh")
        .about("Refresh the login now, as codex would")
        .arg(switch(
            "print-only",
            "show the request that would be sent, the token masked; send nothing",
        ))
        .arg(switch("discover", "ask the login's issuer for its token endpoint"))
        .args(args(&["verbose"], false));
    let auth = Command::new("auth")
        .about("Show what the login looks like, without its secrets")
        .disable_help_subcommand(true)
        .subcommand(refresh);
    let status = Command::new("status")
        .about("Show everything that is known, for a person at a terminal")
        .arg(switch("watch", "go on showing it, on a screen of its own, until q or Ctrl-C"))
        .args(args(&ASKING, false))
        .args(args(&["show", "glyphs", "warn", "critical", "severity", "color", "colors"], false));
    let check = Command::new("check")
        .about(
            "Exit 0 if so much is left of every limit, 1 if it is not or nobody knows, 2 on misuse",
        )
        .arg(
            Arg::new("left")
                .long("left")
                .value_name("PERCENT")
                .required(true)
                .help("what must be left, such as 10%"),
        )
        // The line has another option of this name, the template of a window.
        .arg(
            Arg::new("limit")
                .long("window")
                .value_name("LABEL")
                .help("of this window only: 5h, 7d, … or budget"),
        )
        .args(args(&ASKING, false));
    let doctor = Command::new("doctor")
        .about(
            "Look at everything that can be wrong, and say what to do; \
             exit 1 if something is broken",
        )
        .arg(switch("all", "every check, one a line; always so without a terminal"))
        .arg(switch("json", "as JSON, for programs"))
        .arg(switch("email", "with the e-mail address of the login"))
        .args(args(&["account", "source", "codex-bin", "color", "colors"], false));
    let days = Arg::new("days").long("days").value_name("N").default_value("7");
    let days = days.help("so many days, today included");
    let activity = Command::new("activity")
        .about("Show sessions, turns and tokens by day, from the local session files")
        .arg(days)
        .arg(switch("json", "as one object on one line: days[] and total"))
        .args([worker].into_iter().filter(|_| with_hidden))
        .args(args(&["account"], false))
        .args(told(Worker::Count, &[]).filter(|_| with_hidden));
    let demo = Command::new("demo")
        .about("Show what the line says in each state, from made-up numbers")
        .arg(
            Arg::new("host")
                .value_name("HOST")
                .help("exactly what this host is given, and nothing else"),
        )
        .arg(switch("raw", "exactly what each host is given"))
        .args(args(&LOOKS, false));
    Command::new(NAME)
        .about("Prints how much of a Codex (ChatGPT) plan is left, for a shell prompt or a bar.")
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .arg(host)
        .args(OPTIONS.iter().map(|option| arg(option, false)))
        .subcommand(fetch)
        .subcommand(config)
        .subcommand(auth)
        .subcommand(status)
        .subcommand(check)
        .subcommand(doctor)
        .subcommand(activity)
        .subcommand(demo)
        .subcommand(init)
        .subcommand(uninstall)
        .subcommand(completions)
        .subcommand(man)
        .subcommand(help)
}

/// The options of a fetch by hand.
const FETCHING: [&str; 9] = [
    "account",
    "source",
    "recover",
    "codex-bin",
    "on-fetch",
    "on-change",
    "warn",
    "critical",
    "verbose",
];
/// The options of a command that waits for new numbers.
const ASKING: [&str; 9] = [
    "account",
    "max-age",
    "max-idle",
    "wait",
    "offline",
    "source",
    "recover",
    "codex-bin",
    "verbose",
];

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
}

fn init_help() -> String {
    let names: Vec<&str> = INTEGRATIONS.iter().map(|integration| integration.name).collect();
    names.join(", ")
}

fn host_help() -> String {
    let names: Vec<&str> = HOSTS.iter().map(|host| host.name).collect();
    format!("Where the line is shown: {} [default: {}]", names.join(", "), hosts::DEFAULT.name)
}

fn args(names: &[&str], hidden: bool) -> impl Iterator<Item = Arg> {
    OPTIONS
        .iter()
        .filter(|option| names.contains(&option.name))
        .map(move |option| arg(option, hidden))
}

/// What a worker is told besides `shown`, hidden from people.
fn told(worker: Worker, shown: &[&str]) -> impl Iterator<Item = Arg> {
    OPTIONS
        .iter()
        .filter(move |option| option.is_for(worker) && !shown.contains(&option.name))
        .map(|option| arg(option, true))
}

fn arg(option: &'static Opt, hidden: bool) -> Arg {
    let help = match option.default_words() {
        Some(default) => format!("{} [default: {default}]", option.help),
        None => option.help.to_string(),
    };
    let arg = Arg::new(option.name).long(option.name).help(help).hide(hidden);
    match option.value {
        Some(value) => arg.value_name(value).action(ArgAction::Append).allow_hyphen_values(true),
        None => arg.action(ArgAction::SetTrue),
    }
}
