//! Several accounts in one line: `--account NAME=CODEX_HOME` defines one, `--account NAME` picks
//! one.

use crate::model::text::{did_you_mean, plain};
use std::path::PathBuf;

/// An account. Its cache entry, lock, back-off and worker depend on its home alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// Its `CODEX_HOME`. May begin with `~/`.
    pub home: PathBuf,
}

/// One word of the option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Define(Account),
    Pick(String),
}

/// Parses a value: words with commas between them.
///
/// # Errors
/// What is wrong with it, without naming the option.
pub fn parse(text: &str) -> Result<Vec<Word>, String> {
    let word = |word: &str| {
        let (name, home) = match word.split_once('=') {
            Some((name, home)) => (name.trim(), Some(home.trim())),
            None => (word.trim(), None),
        };
        if name.is_empty() || plain(name, 40) != name {
            return Err("has a name that is empty, too long or not printable".to_string());
        }
        match home {
            Some("") => Err(format!("names no directory for {name}")),
            Some(home) => Ok(Word::Define(Account { name: name.into(), home: home.into() })),
            None => Ok(Word::Pick(name.into())),
        }
    };
    text.split(',').filter(|text| !text.trim().is_empty()).map(word).collect()
}

/// The accounts to show. `layers`: the topmost first. Definitions come from the first layer that
/// has any, picks from that layer and those above it. Empty: the login in `CODEX_HOME`.
///
/// # Errors
/// A picked name is not defined. The text has the nearest name that is.
pub fn choose(layers: impl IntoIterator<Item = Vec<Word>>) -> Result<Vec<Account>, String> {
    let mut defined: Vec<Account> = Vec::new();
    let mut picked: Vec<String> = Vec::new();
    for layer in layers {
        for word in layer {
            match word {
                Word::Define(account) => {
                    defined.retain(|earlier| earlier.name != account.name);
                    defined.push(account);
                }
                Word::Pick(name) => picked.push(name),
            }
        }
        if !defined.is_empty() {
            break;
        }
    }
    if picked.is_empty() {
        return Ok(defined);
    }
    let find = |name: &String| {
        let found = defined.iter().find(|account| account.name == *name).cloned();
        found.ok_or_else(|| {
            if defined.is_empty() {
                return format!("no account is defined; write {name}=CODEX_HOME");
            }
            let names: Vec<&str> = defined.iter().map(|account| account.name.as_str()).collect();
            let near = did_you_mean(name, names.iter().copied());
            format!("there is no account {name} among {}{near}", names.join(", "))
        })
    };
    picked.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layers: &[&str], expected: Result<&[&str], &str>) {
        let words = layers.iter().map(|text| parse(text).unwrap());
        let chosen = choose(words).map(|accounts| {
            let show = |account: &Account| format!("{}={}", account.name, account.home.display());
            accounts.iter().map(show).collect::<Vec<_>>()
        });
        let expected = expected.map(|list| list.iter().map(ToString::to_string).collect());
        assert_eq!(chosen, expected.map_err(String::from), "{layers:?}");
    }

    #[test]
    fn the_topmost_definitions_count_and_picks_choose_among_them() {
        check(&[], Ok(&[]));
        check(&["", "a=/a,b=/b"], Ok(&["a=/a", "b=/b"]));
        check(&["c=/c", "a=/a,b=/b"], Ok(&["c=/c"]));
        check(&["b", "a=/a,b=/b"], Ok(&["b=/b"]));
        check(&["b,a", "", "a=/a, b=~/b"], Ok(&["b=~/b", "a=/a"]));
        check(&["a=/a,a=/other"], Ok(&["a=/other"]));
        check(&["wrok", "work=/a"], Err("there is no account wrok among work; did you mean work?"));
        check(&["work"], Err("no account is defined; write work=CODEX_HOME"));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse("a=").unwrap_err(), "names no directory for a");
        assert!(parse("=/a").is_err() && parse("a\u{7}b=/a").is_err());
    }
}
