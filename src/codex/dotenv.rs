//! `$CODEX_HOME/.env`, from which Codex takes environment variables. Read by the fetch only.
//!
//! Only the variables of the network matter here: proxies, and the certificate store. Codex 0.169
//! takes both from this file, but ignores names that begin with `CODEX_` (checked by running it).

use super::home::Home;
use crate::io::env::Env;
use crate::io::files;
use std::collections::BTreeMap;

/// In bytes. Real files have a few lines.
const MAX_BYTES: u64 = 64 * 1024;

/// What is taken from the file. Of proxies, both spellings mean the same.
const NAMES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The environment, with the variables of the network that only the home's `.env` sets. A file that
/// is not there or cannot be read sets nothing, and a line that is not valid is skipped, as in
/// Codex.
pub(crate) fn with_dotenv(env: &Env, home: &Home) -> Env {
    let Ok(bytes) = files::read_bounded(&home.dotenv(), MAX_BYTES) else { return env.clone() };
    let is_set = |name: &str| {
        [name.to_ascii_uppercase(), name.to_ascii_lowercase()]
            .iter()
            .any(|name| env.variable(name).is_some())
    };
    let variables: BTreeMap<String, String> = dotenvy::from_read_iter(&bytes[..])
        .flatten()
        .filter(|(name, _)| NAMES.contains(&name.as_str()) && !is_set(name))
        .collect();
    env.with_fallback(variables)
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
            with_dotenv(&Env::for_test(variables, system_clock), &home).text(name)
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
        assert_eq!(with_dotenv(&Env::for_test(&[], system_clock), &home).text("ALL_PROXY"), None);
    }
}
