//! `codexline init`: puts a snippet of `integrations/` into a host's configuration, takes it out
//! again, or prints it. `codexline uninstall`: takes all of them out.

mod edit;
mod program;
mod reader;
mod snippets;
mod uninstall;
mod write;

pub use snippets::{INTEGRATIONS, Integration};
pub use uninstall::{UninstallArgs, uninstall};

use crate::io::env::Env;
use crate::io::output;
use crate::model::error::Error;
use crate::model::text::{did_you_mean, fit, plain, width, wrap};
use program::{on_path, program_for};
use snippets::{Choice, Snippet, Way};
use std::fmt::Write;
use write::{Done, Edit};

/// What was typed behind `init`.
#[derive(Debug, Default)]
pub struct InitArgs {
    pub host: Option<String>,
    /// One file of the host's.
    pub file: Option<String>,
    pub write: bool,
    pub remove: bool,
    /// Show what `write`, or `remove`, would change.
    pub dry_run: bool,
    pub list: bool,
    /// An option that chooses other snippets of the host than the usual ones.
    pub with: Option<&'static str>,
}

/// Does it; the exit status.
///
/// # Errors
/// [`Error::Usage`].
pub fn run(args: &InitArgs, env: &Env) -> Result<u8, Error> {
    if args.list {
        output::print(&list());
        return Ok(0);
    }
    let Some(name) = &args.host else {
        if args.remove {
            return uninstall(&UninstallArgs { purge: false, dry_run: args.dry_run }, env);
        }
        if args.write || args.dry_run {
            let text =
                "init --write: a host was expected; codexline init lists those that are here";
            return Err(Error::Usage(text.into()));
        }
        output::print(&overview(env));
        return Ok(0);
    };
    let integration = host(name)?;
    let wanted = snippets_of(integration, args)?;
    if args.remove {
        return Ok(remove(&wanted, args.dry_run, env));
    }
    let program = program_for(integration, env);
    if !args.write && !args.dry_run {
        output::print(&text(&wanted, args.file.is_some(), program.as_deref(), env));
        return Ok(0);
    }
    let mut status = 0;
    if let Some(reason) = no_place(&wanted, env) {
        output::warn(reason);
        status = 1;
    }
    for snippet in wanted.iter().filter(|snippet| write::has_place(snippet, env)) {
        let body = snippet.with(program.as_deref());
        match snippet.way {
            Way::Paste { .. } => output::print(&instructions(snippet, &body, env)),
            Way::Block { .. } => match write::put(snippet, &body, env) {
                Ok(edit) => status |= report(&edit, args.dry_run, Some(integration), env),
                Err(error) => {
                    output::warn(error);
                    status = 1;
                }
            },
        }
    }
    if args.file.is_none() {
        // What another option has written elsewhere would go on starting codexline.
        let is_other = |other: &&'static Snippet| {
            other.choice != Choice::Named
                && wanted.iter().all(|snippet| snippet.files != other.files)
        };
        let others: Vec<_> = integration.snippets.iter().filter(is_other).collect();
        status |= take_out(&others, args.dry_run, env).1;
    }
    Ok(status)
}

/// Stores an edit, or shows it; the exit status.
fn report(edit: &Edit, dry_run: bool, integration: Option<&Integration>, env: &Env) -> u8 {
    let notes = |out: &mut String| {
        edit.notes.iter().for_each(|note| {
            let _ = writeln!(out, "  {note}");
        });
    };
    if dry_run {
        let mut out = match edit.difference() {
            text if text.is_empty() => format!("{}: nothing would change\n", edit.shown),
            text => text,
        };
        notes(&mut out);
        output::print(&out);
        return 0;
    }
    let done = match edit.store(env) {
        Ok(done) => done,
        Err(error) => {
            output::warn(error);
            return 1;
        }
    };
    let mut out = match &done {
        Done::Unchanged => format!("{}: nothing to change\n", edit.shown),
        Done::Changed => format!("{}: changed\n", edit.shown),
        Done::Whole => format!("{}: made\n", edit.shown),
        Done::Kept(copy) => format!("{}: changed; as it was: {copy}\n", edit.shown),
    };
    notes(&mut out);
    if let Some(integration) = integration.filter(|_| done != Done::Unchanged) {
        let _ = writeln!(out, "  to see it: {}", integration.then.replace("FILE", &edit.shown));
    }
    output::print(&out);
    0
}

/// Takes snippets out of their files, or shows what that would change; the exit status.
fn remove(snippets: &[&'static Snippet], dry_run: bool, env: &Env) -> u8 {
    let (mut found, status) = take_out(snippets, dry_run, env);
    // What a person has pasted, a person must take out.
    for place in snippets.iter().flat_map(|snippet| uninstall::named_in(snippet, env)) {
        output::print(&format!("{place} names codexline, put there by hand\n"));
        found = true;
    }
    if !found {
        output::print("there is nothing to take out\n");
    }
    status
}

/// Takes snippets out of their files, or shows what that would change: whether there were any, and
/// the exit status.
fn take_out(snippets: &[&'static Snippet], dry_run: bool, env: &Env) -> (bool, u8) {
    let mut status = 0;
    let mut found = false;
    for snippet in snippets {
        for path in write::candidates(snippet, env) {
            match write::take_out(snippet, &path, env) {
                Ok(None) => continue,
                Ok(Some(edit)) if dry_run => output::print(&edit.difference()),
                Ok(Some(edit)) => match edit.store_without(snippet, env) {
                    Ok(done) => output::print(&removed(&edit, &done)),
                    Err(error) => {
                        output::warn(error);
                        status = 1;
                    }
                },
                Err(error) => {
                    output::warn(error);
                    status = 1;
                }
            }
            found = true;
        }
    }
    (found, status)
}

fn removed(edit: &Edit, done: &Done) -> String {
    match done {
        Done::Whole => format!("{}: removed; nothing else was in it\n", edit.shown),
        Done::Kept(copy) => {
            format!("{}: taken out; {copy} is what it was before, and stays\n", edit.shown)
        }
        _ => format!("{}: taken out\n", edit.shown),
    }
}

/// # Errors
/// [`Error::Usage`], with the name that was probably meant.
fn host(name: &str) -> Result<&'static Integration, Error> {
    snippets::find(name).ok_or_else(|| {
        let near = did_you_mean(name, INTEGRATIONS.iter().map(|integration| integration.name));
        Error::Usage(format!("unknown host '{}'{near}", plain(name, 60)))
    })
}

/// The snippets that are meant: one that is named, else those that an option chooses, else the
/// usual ones. What is to be removed may have been written with any option.
///
/// # Errors
/// [`Error::Usage`].
fn snippets_of(
    integration: &'static Integration,
    args: &InitArgs,
) -> Result<Vec<&'static Snippet>, Error> {
    let all = integration.snippets.iter();
    let Some(file) = args.file.as_deref() else {
        let choice = args.with.map_or(Choice::Usual, Choice::With);
        let found: Vec<_> = match args.with {
            None if args.remove => all.filter(|snippet| snippet.choice != Choice::Named).collect(),
            _ => all.filter(|snippet| snippet.choice == choice).collect(),
        };
        return match (args.with, found.is_empty()) {
            (Some(option), true) => {
                Err(Error::Usage(format!("there is no --{option} for {}", integration.name)))
            }
            _ => Ok(found),
        };
    };
    let mut found: Vec<_> = all.clone().filter(|snippet| snippet.file == file).collect();
    if found.is_empty() {
        let mut files: Vec<&str> = all.map(|snippet| snippet.file).collect();
        files.dedup();
        let (file, files) = (plain(file, 60), files.join(" or "));
        return Err(Error::Usage(format!("{files} was expected, not '{file}'")));
    }
    if !args.write && !args.dry_run && !args.remove {
        // The same text for several places is printed once.
        found.dedup_by_key(|snippet| snippet.text);
    }
    Ok(found)
}

/// Why none of the snippets that stand beside another program's line has a place.
fn no_place(snippets: &[&'static Snippet], env: &Env) -> Option<String> {
    let beside = |snippet: &&&'static Snippet| snippet.beside().is_some();
    let mut placed = snippets.iter().filter(beside).peekable();
    placed.peek()?;
    if placed.any(|snippet| write::has_place(snippet, env)) {
        return None;
    }
    let lines = snippets.iter().filter_map(|snippet| snippet.beside());
    let lines: Vec<String> = lines.map(|line| format!("'{line}'")).collect();
    let file = snippets.iter().find(|snippet| snippet.beside().is_some())?.file;
    Some(format!(
        "no start file of a shell has {}; put what codexline init starship {file} prints behind \
         the line that starts it",
        lines.join(" or ")
    ))
}

/// What `init HOST` prints: the snippet as it is, or each under a heading if there are several.
fn text(snippets: &[&'static Snippet], is_named: bool, program: Option<&str>, env: &Env) -> String {
    let mut out = String::new();
    for snippet in snippets {
        let body = snippet.with(program);
        let is_simple = matches!(snippet.way, Way::Block { .. }) && snippets.len() == 1;
        if is_named || is_simple {
            out.push_str(&body);
        } else {
            out.push_str(&instructions(snippet, &body, env));
        }
    }
    out
}

/// A snippet under a heading that says exactly where it belongs.
fn instructions(snippet: &Snippet, body: &str, env: &Env) -> String {
    let place = match write::target(snippet, env) {
        Some(path) => write::shown(&path, env),
        None => snippet.place.to_string(),
    };
    let (spot, comma, word) = match snippet.way {
        Way::Block { .. } => ("at the end", false, None),
        Way::Paste { spot, comma, word } => (spot, comma, word),
    };
    let place =
        if snippet.files.is_empty() { spot.to_string() } else { format!("{place}, {spot}") };
    let comma = if comma { "," } else { "" };
    let mut out = format!("==> {place}:\n\n{}{comma}\n\n", body.trim_end());
    if let Some((word, spot)) = word {
        let _ = write!(out, "==> and {spot}:\n\n{word}\n\n");
    }
    out
}

/// `codexline init`: the hosts that are installed here, and what to type.
fn overview(env: &Env) -> String {
    let is_here = |integration: &Integration| {
        let place =
            |snippet: &Snippet| write::target(snippet, env).is_some_and(|path| path.exists());
        integration.programs.iter().any(|name| on_path(name, env).is_some())
            || integration.programs.is_empty() && integration.snippets.iter().any(place)
    };
    let here: Vec<&Integration> =
        INTEGRATIONS.iter().filter(|integration| is_here(integration)).collect();
    let columns = env.terminal_columns().unwrap_or(usize::MAX);
    let mut out = String::new();
    if here.is_empty() {
        out.push_str("No host that codexline knows is on PATH.\n\n");
    } else {
        let text = "Hosts that are installed here, and what to type:";
        let _ = write!(out, "{}\n\n", wrap(text, columns).join("\n"));
    }
    for integration in here {
        let name = integration.name;
        let all = integration.snippets.iter();
        let blocks = all.filter(|snippet| snippet.choice == Choice::Usual);
        let is_paste = blocks.clone().any(|snippet| matches!(snippet.way, Way::Paste { .. }));
        let is_block = blocks.clone().any(|snippet| matches!(snippet.way, Way::Block { .. }));
        let is_set = blocks.clone().any(|snippet| {
            write::candidates(snippet, env)
                .iter()
                .any(|path| matches!(write::take_out(snippet, path, env), Ok(Some(_))))
        });
        let (command, what) = match (is_set, is_block, is_paste) {
            (true, ..) => (format!("codexline init {name} --remove"), "is set up; takes it out"),
            (_, true, true) => (integration.set_up_command(), "writes a part, prints the rest"),
            (_, true, false) => (integration.set_up_command(), "writes"),
            _ => (integration.set_up_command(), "prints what belongs into"),
        };
        let place = integration.snippets.first().and_then(|snippet| write::target(snippet, env));
        let place = match place {
            Some(path) if !is_set && is_block != is_paste => {
                format!(" {}", write::shown(&path, env))
            }
            _ => String::new(),
        };
        let row = format!("  {command:38}  {what}{place}");
        if width(&row) <= columns {
            let _ = writeln!(out, "{row}");
        } else {
            let _ = writeln!(out, "  {command}");
            for line in fit(&format!("{what}{place}"), columns.saturating_sub(6).max(1)) {
                let _ = writeln!(out, "      {line}");
            }
        }
    }
    out.push('\n');
    for line in [
        "Add --dry-run to see what would change. Every host: codexline init --list",
        "Take all of it out again: codexline uninstall",
    ] {
        wrap(line, columns).iter().for_each(|line| {
            let _ = writeln!(out, "{line}");
        });
    }
    out
}

/// `codexline init --list`: host, file, and where it belongs.
pub fn list() -> String {
    let mut out = String::new();
    for integration in INTEGRATIONS {
        for snippet in integration.snippets {
            let _ = writeln!(out, "{:14} {:16} {}", integration.name, snippet.file, snippet.place);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_that_has_a_folder_of_its_own_is_known() {
        let mut folders: Vec<String> = std::fs::read_dir("integrations")
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        folders.sort();
        let mut known: Vec<&str> =
            INTEGRATIONS.iter().map(|integration| integration.name).collect();
        known.sort_unstable();
        assert_eq!(folders, known);
    }

    #[test]
    fn names_are_checked() {
        let env = Env::for_test(&[], || crate::model::time::Timestamp::from_unix_seconds(0));
        let error = |name: &str, file: Option<&str>| {
            let args = InitArgs {
                host: Some(name.into()),
                file: file.map(String::from),
                ..InitArgs::default()
            };
            run(&args, &env).unwrap_err().to_string()
        };
        assert_eq!(error("tmx", None), "unknown host 'tmx'; did you mean tmux?");
        assert_eq!(
            error("tmux", Some("codex.tmux")),
            "tmux.conf or push.conf or codexline.tmux was expected, not 'codex.tmux'"
        );
        let args = InitArgs { host: Some("zsh".into()), with: Some("push"), ..InitArgs::default() };
        let error = run(&args, &env).unwrap_err().to_string();
        assert_eq!(error, "there is no --push for zsh");
        assert!(list().lines().count() > INTEGRATIONS.len());
    }
}
