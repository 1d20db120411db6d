//! `init HOST --write` and `--remove`: reads a configuration file, has its text edited, shows or
//! stores the result.

use super::edit::{Markers, Modules, SEMICOLON, Unfinished, add_module, difference, lines};
use super::snippets::{Snippet, Way};
use crate::io::env::Env;
use crate::io::files;
use crate::model::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Configuration files of hosts are a few KiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A file that is to change.
pub(super) struct Edit {
    path: PathBuf,
    /// With `~` for the home directory.
    pub(super) shown: String,
    /// `None` if the file is not there.
    before: Option<Vec<u8>>,
    /// A block is in it already. What was there before that has its copy.
    had_block: bool,
    /// The text after each step; the first is what the steps began with.
    texts: Vec<Vec<u8>>,
    /// What a person must still do to the file.
    pub(super) notes: Vec<String>,
}

/// What has become of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Done {
    Unchanged,
    Changed,
    /// The file was made, or removed again.
    Whole,
    /// The old content is kept in this file.
    Kept(String),
}

/// The file of a snippet: the first that is there and has the text that it needs, else the first
/// of all.
pub(super) fn target(snippet: &Snippet, env: &Env) -> Option<PathBuf> {
    let paths = candidates(snippet, env);
    let existing = paths.iter().find(|path| match snippet.beside() {
        Some(text) => has_text(path, text),
        None => std::fs::symlink_metadata(path).is_ok(),
    });
    existing.or(paths.first()).cloned()
}

/// Whether one of its files has the text that a snippet needs there.
pub(super) fn has_place(snippet: &Snippet, env: &Env) -> bool {
    let paths = candidates(snippet, env);
    snippet.beside().is_none_or(|text| paths.iter().any(|path| has_text(path, text)))
}

fn has_text(path: &Path, text: &str) -> bool {
    let content = files::read_bounded(path, MAX_BYTES).unwrap_or_default();
    memchr::memmem::find(&content, text.as_bytes()).is_some()
}

/// The files that a snippet can stand in. One that a variable names is the only one.
pub(super) fn candidates(snippet: &Snippet, env: &Env) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for file in snippet.files {
        if let Some(rest) = file.strip_prefix('$') {
            let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
            if let Some(value) = env.variable(name) {
                let path = PathBuf::from(value);
                return vec![if rest.is_empty() { path } else { path.join(rest) }];
            }
            continue;
        }
        let config = env.variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.filter(|path| path.is_absolute());
        paths.extend(match (file.strip_prefix("~/.config/"), config) {
            (Some(rest), Some(config)) => Some(config.join(rest)),
            _ => env.home_directory().map(|home| home.join(file.trim_start_matches("~/"))),
        });
    }
    paths
}

/// A path with `~` for the home directory.
pub(super) fn shown(path: &Path, env: &Env) -> String {
    match env.home_directory().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf))
    {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match files::read_bounded(path, MAX_BYTES) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.symlink_metadata() {
            Ok(_) => Err(io::Error::other("is a link that leads nowhere")),
            Err(_) => Ok(None),
        },
        Err(error) => Err(error),
    }
}

fn unfinished(shown: &str, Unfinished { line }: Unfinished) -> String {
    format!("{shown}:{line}: a block of codexline begins here and does not end; repair it first")
}

/// What the host reads while a person has no file of their own.
fn seed(snippet: &Snippet) -> Option<(PathBuf, Vec<u8>)> {
    let Way::Block { seeds, .. } = snippet.way else { return None };
    let mut paths = seeds.iter().map(PathBuf::from);
    paths.find_map(|path| files::read_bounded(&path, MAX_BYTES).ok().map(|text| (path, text)))
}

/// The line, from 1, that shows that a person has pasted the snippet.
fn pasted(text: &[u8], sign: &str, open: &str) -> Option<usize> {
    let mut numbered = lines(text).enumerate();
    let found = numbered.find(|(_, line)| {
        let line = &text[line.clone()];
        let is_comment = line.trim_ascii_start().starts_with(open.trim().as_bytes());
        !is_comment && memchr::memmem::find(line, sign.as_bytes()).is_some()
    });
    found.map(|(number, _)| number + 1)
}

/// The edit that puts a snippet, with this text, into its file.
///
/// # Errors
/// One line that says why it cannot be done.
pub(super) fn put(snippet: &Snippet, body: &str, env: &Env) -> Result<Edit, String> {
    let Way::Block { name, comment, sign, has_modules, .. } = snippet.way else {
        return Err("has no file of its own".into());
    };
    let path = target(snippet, env).ok_or("there is no home directory; set HOME")?;
    let shown = shown(&path, env);
    let before = read(&path).map_err(|error| format!("{shown}: {}", Error::io_reason(&error)))?;
    let mut notes = Vec::new();
    let start = match (&before, seed(snippet)) {
        (Some(text), _) => text.clone(),
        (None, Some((from, text))) => {
            notes.push(format!("{shown} begins as a copy of {}", from.display()));
            text
        }
        (None, None) if has_modules => return Err(format!("there is no {shown} to add it to")),
        (None, None) => Vec::new(),
    };
    let markers = Markers::new(name, comment);
    let bar = Markers::new(&format!("{name}-bar"), SEMICOLON);
    let clean = |text: &[u8]| markers.take_out(&bar.take_out(text)?);
    let without = clean(&start).map_err(|error| unfinished(&shown, error))?;
    if let Some(line) = pasted(&without, sign, comment.open()) {
        return Err(format!(
            "{shown}:{line}: has codexline already, put there by hand; take that out first, or \
             leave it as it is"
        ));
    }
    let with = markers.put(&start, body).map_err(|error| unfinished(&shown, error))?;
    let had_block = without != start;
    let mut texts = vec![start, with];
    if has_modules {
        match add_module(&texts[1], "codexline") {
            Modules::Line(line, new) => texts.push(bar.put_line(&texts[1], line, &new)),
            Modules::Listed => {}
            Modules::Unclear => notes.push(format!(
                "add the word codexline to modules-right (or -left, -center) of your bar in {shown}"
            )),
        }
    }
    if snippet.file.ends_with(".toml") {
        check_toml(&texts[0], &texts[1], &shown)?;
    }
    notes.extend(format_without(snippet, &texts[0], &shown));
    Ok(Edit { path, shown, before, had_block, texts, notes })
}

/// # Errors
/// The file is TOML, and with the block it is none.
fn check_toml(before: &[u8], after: &[u8], shown: &str) -> Result<(), String> {
    let parse = |text: &[u8]| {
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        text.parse::<toml::Table>().map_err(|error| error.message().replace('\n', ", "))
    };
    match (parse(before), parse(after)) {
        (Ok(_), Err(error)) => Err(format!("{shown}: the block does not fit in there: {error}")),
        (Err(error), _) => Err(format!("{shown} is not valid TOML: {error}; repair it first")),
        _ => Ok(()),
    }
}

/// What to do where starship's formats leave the module of a snippet out.
fn format_without(snippet: &Snippet, text: &[u8], shown: &str) -> Option<String> {
    let (kind, module) = match snippet.file {
        "starship.toml" => ("custom", "${custom.codexline}"),
        "env.toml" => ("env_var", "${env_var.CODEXLINE}"),
        _ => return None,
    };
    let table: toml::Table = std::str::from_utf8(text).ok()?.parse().ok()?;
    let format = |key: &str| table.get(key).and_then(toml::Value::as_str);
    let names = |format: &str| {
        ["$all", &format!("${kind}"), &format!("${{{kind}}}"), module]
            .iter()
            .any(|name| format.contains(name))
    };
    let is_shown = format("format").is_none_or(names) || format("right_format").is_some_and(names);
    (!is_shown).then(|| format!("add {module} to format or right_format in {shown}"))
}

/// The edit that takes a snippet out of one of its files again; `None` if it does not stand there.
///
/// # Errors
/// One line that says why it cannot be done.
pub(super) fn take_out(snippet: &Snippet, path: &Path, env: &Env) -> Result<Option<Edit>, String> {
    let Way::Block { name, comment, .. } = snippet.way else { return Ok(None) };
    let shown = shown(path, env);
    let before = read(path).map_err(|error| format!("{shown}: {}", Error::io_reason(&error)))?;
    let Some(start) = before.clone() else { return Ok(None) };
    let bar = Markers::new(&format!("{name}-bar"), SEMICOLON);
    let wrong = |error| unfinished(&shown, error);
    let without_bar = bar.take_out(&start).map_err(wrong)?;
    let without = Markers::new(name, comment).take_out(&without_bar).map_err(wrong)?;
    if without == start {
        return Ok(None);
    }
    let texts = vec![start, without_bar, without];
    let path = path.to_path_buf();
    Ok(Some(Edit { path, shown, before, had_block: true, texts, notes: Vec::new() }))
}

impl Edit {
    fn after(&self) -> &[u8] {
        self.texts.last().map_or(&[], Vec::as_slice)
    }

    fn is_change(&self) -> bool {
        self.before.as_deref() != Some(self.after())
    }

    /// The copy of what was there before.
    fn copy(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".bak");
        path.into()
    }

    /// The difference, for a person; empty if there is none.
    pub(super) fn difference(&self) -> String {
        if !self.is_change() {
            return String::new();
        }
        let steps = self.texts.windows(2).filter(|texts| texts[0] != texts[1]);
        let steps = steps.map(|texts| difference(&texts[0], &texts[1]));
        format!("{}\n{}", self.shown, steps.collect::<String>())
    }

    /// Stores the text with the block; the old one is kept once.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn store(&self, env: &Env) -> Result<Done, String> {
        if !self.is_change() {
            return Ok(Done::Unchanged);
        }
        let copy = self.copy();
        let fail = |error: io::Error| self.failure(&error);
        // Nothing is left behind where the file cannot be written.
        let kept = match &self.before {
            Some(before) if !self.had_block => files::keep_copy(before, &copy).map_err(fail)?,
            _ => false,
        };
        if let Err(error) = files::rewrite(&self.path, self.after()) {
            if kept {
                let _ = files::remove(&copy);
            }
            return Err(fail(error));
        }
        Ok(match (&self.before, kept) {
            (None, _) => Done::Whole,
            (_, true) => Done::Kept(shown(&copy, env)),
            (_, false) => Done::Changed,
        })
    }

    /// Stores the text without the block. A file that holds nothing else is removed, unless there
    /// was one before; so is the copy, unless the file has changed since.
    ///
    /// # Errors
    /// One line that names the file.
    pub(super) fn store_without(&self, snippet: &Snippet, env: &Env) -> Result<Done, String> {
        let copy = self.copy();
        let fail = |error: io::Error| self.failure(&error);
        let old = read(&copy).ok().flatten();
        let is_ours =
            self.after().is_empty() || seed(snippet).is_some_and(|(_, text)| text == self.after());
        if old.is_none() && is_ours && !self.path.is_symlink() {
            files::remove(&self.path).map_err(fail)?;
            self.remove_folders(env);
            return Ok(Done::Whole);
        }
        files::rewrite(&self.path, self.after()).map_err(fail)?;
        match old {
            Some(old) if old == self.after() => {
                files::remove(&copy).map_err(fail)?;
                Ok(Done::Changed)
            }
            Some(_) => Ok(Done::Kept(shown(&copy, env))),
            None => Ok(Done::Changed),
        }
    }

    /// Removes the file's folder if nothing is left in it, and it is one of a program; then the one
    /// around it likewise.
    fn remove_folders(&self, env: &Env) {
        let config = env.variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let home = env.home_directory();
        let common = [home.as_ref().map(|home| home.join(".config")), home, config];
        let is_common = |folder: &Path| common.iter().flatten().any(|path| path == folder);
        let folders = self.path.ancestors().skip(1).take_while(|folder| !is_common(folder));
        for folder in folders.take(2) {
            if files::remove_empty_directory(folder).is_err() {
                break;
            }
        }
    }

    fn failure(&self, error: &io::Error) -> String {
        let reason = match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => "is read-only; nothing was changed".into(),
            _ => Error::io_reason(error),
        };
        format!("{}: {reason}", self.shown)
    }
}
