//! `$CODEX_HOME/.env`, from which Codex takes environment variables. Read by the fetch only.
//!
//! Only the variables of the network matter here: proxies, and the certificate store. Codex 0.169
//! takes both from this file, but ignores names that begin with `CODEX_` (checked by running it).

use super::home::Home;
use crate::io::env::Env;
use crate::io::files;
use crate::io::output::Log;
use crate::model::error::Error;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;

/// In bytes. Real files have a few lines.
const MAX_BYTES: u64 = 64 * 1024;

/// What is taken from the file. Of each pair, which means the same, the first counts.
const NAMES: [[&str; 2]; 5] = [
    ["HTTPS_PROXY", "https_proxy"],
    ["ALL_PROXY", "all_proxy"],
    ["NO_PROXY", "no_proxy"],
    ["SSL_CERT_FILE", "SSL_CERT_FILE"],
    ["SSL_CERT_DIR", "SSL_CERT_DIR"],
];

/// The file as it was read. One that is not there sets nothing.
pub(crate) struct Dotenv {
    path: PathBuf,
    /// Those of [`NAMES`] that it sets.
    variables: BTreeMap<String, String>,
    /// Why not all of it could be read. It does not quote the file.
    problem: Option<String>,
}

impl Dotenv {
    pub(crate) fn read(home: &Home) -> Dotenv {
        let path = home.dotenv();
        let (bytes, problem) = match files::read_bounded(&path, MAX_BYTES) {
            Ok(bytes) => (bytes, None),
            Err(error) if error.kind() == ErrorKind::NotFound => (Vec::new(), None),
            Err(error) => (Vec::new(), Some(Error::io_reason(&error))),
        };
        let (lines, wrong): (Vec<_>, Vec<_>) =
            dotenvy::from_read_iter(&bytes[..]).partition(Result::is_ok);
        let skipped = match wrong.len() {
            0 => None,
            1 => Some("a line that is not valid is skipped, as in codex".to_string()),
            count => Some(format!("{count} lines that are not valid are skipped, as in codex")),
        };
        let is_named = |name: &str| NAMES.as_flattened().contains(&name);
        let lines = lines.into_iter().flatten().filter(|(name, _)| is_named(name));
        Dotenv { path, variables: lines.collect(), problem: problem.or(skipped) }
    }

    /// The environment, with what only the file sets.
    pub(crate) fn below(&self, env: &Env) -> Env {
        let is_set = |name: &str| {
            let mut pairs = NAMES.iter().filter(|pair| pair.contains(&name));
            pairs.any(|pair| pair.iter().any(|name| env.variable(name).is_some()))
        };
        let only_here = self.variables.iter().filter(|(name, _)| !is_set(name));
        env.with_fallback(only_here.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// What a person should know of it: that it cannot be read, and each name for which Codex takes
    /// another value. In Codex 0.169 the file beats the environment (checked by running it).
    pub(crate) fn remarks(&self, env: &Env) -> Vec<String> {
        let path = self.path.display();
        let ours = self.below(env);
        let codexs = |name: &str| match self.variables.get(name) {
            Some(value) => Some(value.clone()).filter(|value| !value.is_empty()),
            None => env.text(name),
        };
        let differs = |pair: &&[&str; 2]| {
            let [upper, lower] = **pair;
            ours.text(upper).or_else(|| ours.text(lower)) != codexs(upper).or_else(|| codexs(lower))
        };
        let problem = self.problem.iter().map(|problem| format!("{path}: {problem}"));
        let other = NAMES.iter().filter(differs).map(|[name, _]| {
            format!("{name}: the environment's value is used here, that of {path} by codex")
        });
        problem.chain(other).collect()
    }
}

/// The environment, with the variables of the network that only the home's `.env` sets.
pub(crate) fn with_dotenv(env: &Env, home: &Home, log: &Log) -> Env {
    let dotenv = Dotenv::read(home);
    dotenv.remarks(env).iter().for_each(|remark| log.debug(remark));
    dotenv.below(env)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::env::system_clock;

    #[test]
    fn the_network_s_variables_come_from_the_file_and_nothing_else_does() {
        let directory =
            std::env::temp_dir().join(format!("codexline-dotenv-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let home = Home::at(directory.clone());
        let file = home.dotenv();
        let read = |text: &[u8], variables: &[(&str, &str)], name: &str| {
            let file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .open(&file)
                .unwrap();
            std::io::Write::write_all(&mut &file, text).unwrap();
            Dotenv::read(&home).below(&Env::for_test(variables, system_clock)).text(name)
        };
        let check = |text: &str, name: &str, expected: Option<&str>| {
            assert_eq!(read(text.as_bytes(), &[], name).as_deref(), expected, "{text}");
        };
        check("HTTPS_PROXY=http://a:1\n", "HTTPS_PROXY", Some("http://a:1"));
        check("# no\n\nnot a line\nexport https_proxy='a' # b\n", "https_proxy", Some("a"));
        check("ALL_PROXY=\"a b\"", "ALL_PROXY", Some("a b"));
        check("NO_PROXY=a\nNO_PROXY=b", "NO_PROXY", Some("b"));
        check("SSL_CERT_FILE = /a\n", "SSL_CERT_FILE", Some("/a"));
        check("HTTPS_PROXY=\n", "HTTPS_PROXY", None);
        for name in ["CODEX_CA_CERTIFICATE", "CODEX_HOME", "CODEX_ACCESS_TOKEN", "HOME"] {
            check(&format!("{name}=a\n"), name, None);
        }
        assert_eq!(read(b"\xff=\xfe\nALL_PROXY=a\n", &[], "ALL_PROXY").as_deref(), Some("a"));
        // The environment wins, in whichever spelling.
        for name in ["HTTPS_PROXY", "https_proxy"] {
            let variables = [("https_proxy", "env")];
            let found = read(format!("{name}=file\n").as_bytes(), &variables, name);
            assert_ne!(found.as_deref(), Some("file"), "{name}");
        }
        let long = [b"ALL_PROXY=a\n", vec![b'#'; MAX_BYTES as usize].as_slice()].concat();
        assert_eq!(read(&long, &[], "ALL_PROXY"), None, "too long a file is not read");
        std::fs::remove_dir_all(directory).unwrap();
        let absent = Dotenv::read(&home);
        let env = Env::for_test(&[], system_clock);
        assert_eq!(absent.below(&env).text("ALL_PROXY"), None);
        assert!(absent.remarks(&env).is_empty());
    }

    #[test]
    fn what_codex_would_take_otherwise_is_said_and_no_value_is() {
        let dotenv = |text: &str| {
            let lines = dotenvy::from_read_iter(text.as_bytes()).flatten();
            Dotenv { path: "x/.env".into(), variables: lines.collect(), problem: None }
        };
        let check = |text: &str, variables: &[(&str, &str)], names: &[&str]| {
            let remarks = dotenv(text).remarks(&Env::for_test(variables, system_clock));
            let told: Vec<&str> =
                remarks.iter().filter_map(|text| text.split(':').next()).collect();
            assert_eq!(told, names, "{text} {variables:?}");
            assert!(remarks.iter().all(|text| !text.contains("secret")), "{remarks:?}");
        };
        check("HTTPS_PROXY=secret-b", &[("HTTPS_PROXY", "secret-a")], &["HTTPS_PROXY"]);
        check("HTTPS_PROXY=secret-a", &[("HTTPS_PROXY", "secret-a")], &[]);
        check("HTTPS_PROXY=", &[("HTTPS_PROXY", "a")], &["HTTPS_PROXY"]);
        check("HTTPS_PROXY=b", &[], &[]);
        // Of both spellings the upper one counts.
        check("HTTPS_PROXY=b", &[("https_proxy", "a")], &["HTTPS_PROXY"]);
        check("https_proxy=b", &[("HTTPS_PROXY", "a")], &[]);
        let both = [("NO_PROXY", "a"), ("SSL_CERT_FILE", "a")];
        check("no_proxy=b\nNO_PROXY=c\nSSL_CERT_FILE=b", &both, &["NO_PROXY", "SSL_CERT_FILE"]);
    }
}
