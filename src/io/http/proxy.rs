//! The proxy that the environment names.

use super::shown;
use crate::io::env::Env;

/// The proxy for https requests.
pub(crate) struct Proxy {
    /// The variable that names it.
    pub(crate) variable: &'static str,
    /// Its URL for messages: without user name and password.
    pub(crate) url: String,
    pub(super) proxy: ureq::Proxy,
}

impl Proxy {
    /// Takes the first variable that holds a proxy's URL, in Codex's order. `NO_PROXY` names hosts
    /// that are asked without it.
    pub(crate) fn find(env: &Env) -> Option<Proxy> {
        const VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
        let except = env.text("NO_PROXY").or_else(|| env.text("no_proxy")).unwrap_or_default();
        VARIABLES.iter().find_map(|variable| {
            let url = env.text(variable)?;
            let named = ureq::Proxy::new(&url).ok()?;
            let mut proxy = ureq::Proxy::builder(named.protocol())
                .host(named.host())
                .port(named.port())
                .resolve_target(named.resolve_target());
            if let Some(name) = named.username() {
                proxy = proxy.username(name);
            }
            if let Some(password) = named.password() {
                proxy = proxy.password(password);
            }
            let proxy = except.split(',').fold(proxy, |proxy, host| proxy.no_proxy(host.trim()));
            Some(Proxy { variable, url: shown(&url), proxy: proxy.build().ok()? })
        })
    }
}
