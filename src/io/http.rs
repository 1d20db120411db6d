//! HTTP requests that carry a token. The only user of ureq.
//!
//! Rules, each because of something that went wrong in a program of this kind:
//! * https only. Plain http only to this machine, and never through a proxy, which could read the
//!   token.
//! * No redirect is followed, because it would send the token to wherever a stranger points.
//! * Every wait and every body is bounded.
//! * The certificate store (about 145 authorities) is loaded only when a TLS connection is made.
//! * No compression is asked for, because an answer has 1 KiB. What is packed all the same is
//!   bounded.

mod probe;
mod proxy;

pub(crate) use self::proxy::Proxy;

use self::probe::{ConnectionProbe, Received};
use crate::io::answer::RawAnswer;
use crate::io::certificates::Trust;
use crate::io::env::Env;
use crate::model::error::Error;
use crate::model::secret::Secret;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{Connector, DefaultConnector};
use ureq::{Agent, Body, Timeout};

/// For looking up the host's name. DNS resolvers try again after 5 s.
const RESOLVE: Duration = Duration::from_secs(5);
/// For connecting: TCP, proxy and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// For a whole request. The usage endpoint answers within a second. The lock is held all the time,
/// so this is not longer.
const WHOLE: Duration = Duration::from_secs(20);
/// For the answer to a refresh of tokens.
const EXCHANGE: Duration = Duration::from_secs(120);
/// The bytes of the buffers for sending and for the header of an answer. A quarter of ureq's
/// default, because they are zeroed at each start. The largest header seen had 8 KiB.
const BUFFER: usize = 32 * 1024;
/// The most bytes of a body. Real answers have about 1 KiB.
const MAX_BODY: u64 = 1024 * 1024;

/// The `User-Agent` header.
pub const USER_AGENT: &str = concat!("codexline/", env!("CARGO_PKG_VERSION"));

/// Whether a body is all that is wanted of an answer, whatever its header says of its end.
pub type IsEnough = fn(&[u8]) -> bool;

/// A URL that a token may be sent to.
#[derive(Clone, Debug)]
pub struct Endpoint {
    uri: Uri,
    is_plain: bool,
}

impl Endpoint {
    /// # Errors
    /// [`Error::AddressRefused`] unless it is https, or http to a loopback address.
    pub fn parse(url: &str) -> Result<Endpoint, Error> {
        let refused = |reason| Error::AddressRefused { url: shown(url), reason };
        let uri: Uri = url.parse().map_err(|_| refused("is not a URL"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(refused("names no host"))?;
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if inside.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_err()) {
            return Err(refused("has brackets around what is no IPv6 address"));
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let port = authority.rsplit('@').next().unwrap_or_default().strip_prefix(host);
        if port.is_some_and(|port| !port.is_empty()) && uri.port_u16().is_none_or(|port| port == 0)
        {
            return Err(refused("has a port that there is not"));
        }
        match uri.scheme_str() {
            Some("https") => Ok(Endpoint { uri, is_plain: false }),
            Some("http") if is_loopback(host) => Ok(Endpoint { uri, is_plain: true }),
            Some("http") => Err(refused("is not encrypted")),
            _ => Err(refused("is not an https URL")),
        }
    }

    /// Whether it is plain http, which always leads to this machine.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The host without brackets, and the port of the URL or of its scheme.
    pub fn host_and_port(&self) -> (String, u16) {
        let host =
            self.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        (host.to_string(), self.uri.port_u16().unwrap_or(if self.is_plain { 80 } else { 443 }))
    }

    /// The URL for messages: without user name, password and query.
    pub fn shown(&self) -> String {
        shown(&self.uri.to_string())
    }
}

fn shown(url: &str) -> String {
    let url = crate::model::text::plain(url, 200);
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An answer of any status.
pub struct Reply {
    pub status: u16,
    /// The `Retry-After` header, unchanged.
    pub retry_after: Option<String>,
    /// The `Date` header, unchanged.
    pub date: Option<String>,
    /// Whether Cloudflare says that this is its own page and not the service's answer.
    pub is_challenge: bool,
    pub body: Vec<u8>,
}

impl Reply {
    /// Whether the body is JSON. If not, the answer came from something between us and the service.
    pub fn is_json(&self) -> bool {
        !self.is_challenge && serde_json::from_slice::<serde::de::IgnoredAny>(&self.body).is_ok()
    }
}

/// Sends requests. Nothing is loaded or opened before the first request.
pub struct Client {
    trust: Trust,
    proxy: Option<Proxy>,
    /// For plain http: no proxy and no certificates.
    direct: OnceCell<Agent>,
    /// Trusts the authorities of the system's file; `None` inside if there is no such file.
    usual: OnceCell<Option<Agent>>,
    /// Trusts all authorities of the system. Created only if the file is not enough, and used from
    /// then on.
    thorough: OnceCell<Agent>,
    probe: ConnectionProbe,
}

impl Client {
    /// Certificates come from the system's store, or from `SSL_CERT_FILE` or `SSL_CERT_DIR`
    /// instead, and also from the file that `CODEX_CA_CERTIFICATE` names. Proxies come from
    /// `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    ///
    /// # Errors
    /// [`Error::CertificateFile`] if a named file cannot be used. Going on without it would end in
    /// a TLS error that nobody understands.
    pub fn new(env: &Env) -> Result<Client, Error> {
        Ok(Client {
            trust: Trust::new(env)?,
            proxy: Proxy::find(env),
            direct: OnceCell::new(),
            usual: OnceCell::new(),
            thorough: OnceCell::new(),
            probe: ConnectionProbe::default(),
        })
    }

    /// Sends a GET request with a bearer token and further headers.
    ///
    /// # Errors
    /// Network, TLS, time-out, or a body that is too large. An HTTP status is never an error here.
    pub fn get(
        &self,
        endpoint: &Endpoint,
        token: &Secret,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Error> {
        self.get_within(WHOLE, endpoint, token, headers)
    }

    /// As [`Client::get`], with a time-out of its own for the whole request.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) fn get_within(
        &self,
        timeout: Duration,
        endpoint: &Endpoint,
        token: &Secret,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Error> {
        let result = self.ask(endpoint, |agent| {
            let mut request = agent
                .get(&endpoint.uri)
                .config()
                .timeout_global(Some(timeout))
                .build()
                .header("Accept", "application/json")
                .header("Authorization", format!("Bearer {}", token.expose()));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.call()
        });
        receive(endpoint, result)
    }

    /// Sends a GET request without a token.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn get_public(&self, endpoint: &Endpoint) -> Result<Reply, Error> {
        let result = self.ask(endpoint, |agent| {
            agent.get(&endpoint.uri).header("Accept", "application/json").call()
        });
        receive(endpoint, result)
    }

    /// Sends a form by POST. The time-out is short for the connection but long for the answer,
    /// because a sent refresh token is spent and its answer is worth waiting for.
    ///
    /// The answer is read loosely, and a body of which `is_enough` says so is complete: the request
    /// cannot be sent for a second time. See [`RawAnswer`].
    ///
    /// # Errors
    /// As [`Client::get`], together with whether anything may have been sent.
    pub fn post_form(
        &self,
        endpoint: &Endpoint,
        form: &Secret,
        is_enough: IsEnough,
    ) -> Result<Reply, SendError> {
        self.probe.begin(&endpoint.uri, is_enough);
        let result = self.ask(endpoint, |agent| {
            agent
                .post(&endpoint.uri)
                .config()
                .timeout_global(Some(CONNECT + EXCHANGE))
                .timeout_recv_response(Some(EXCHANGE))
                .build()
                .header("Accept", "application/json")
                .header("Content-Type", "application/x-www-form-urlencoded")
                .send(form.expose())
        });
        let was_sent = self.probe.is_to(&endpoint.uri);
        let Received { bytes, failure: ended } = self.probe.end();
        let reply = match RawAnswer::read(&bytes, true, is_enough) {
            Some(answer) if answer.is_complete => Ok(Reply {
                status: answer.status,
                retry_after: answer.header("retry-after").map(String::from),
                date: answer.header("date").map(String::from),
                is_challenge: answer.header("cf-mitigated").is_some(),
                body: answer.body,
            }),
            _ => match (ended, result) {
                (Some(ended), _) => Err(failure(endpoint, ended)),
                (None, result) => receive(endpoint, result),
            },
        };
        reply.map_err(|error| SendError { error, was_sent })
    }

    /// Sends a request, trusting the authorities of the system's file. If the server's issuer is
    /// not among them, the handshake ends before anything is sent, and the request is sent again,
    /// trusting all authorities of the system.
    fn ask(
        &self,
        endpoint: &Endpoint,
        request: impl Fn(&Agent) -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, ureq::Error> {
        if endpoint.is_plain {
            let agent = || self.agent(None, RootCerts::Specific(Arc::default()), false);
            return request(self.direct.get_or_init(agent));
        }
        let proxy = || self.proxy.as_ref().map(|proxy| proxy.proxy.clone());
        let secure = |roots| self.agent(proxy(), roots, true);
        let thorough = || self.thorough.get_or_init(|| secure(self.trust.everything()));
        let usual = self.usual.get_or_init(|| self.trust.usual().map(secure));
        let Some(agent) = usual.as_ref().filter(|_| self.thorough.get().is_none()) else {
            return request(thorough());
        };
        match request(agent) {
            Err(error) if is_unknown_issuer(&error) => request(thorough()),
            result => result,
        }
    }

    fn agent(&self, proxy: Option<ureq::Proxy>, roots: RootCerts, https_only: bool) -> Agent {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let config = Agent::config_builder()
            .https_only(https_only)
            .proxy(proxy)
            .tls_config(tls)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .timeout_resolve(Some(RESOLVE))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .user_agent(USER_AGENT)
            .max_idle_connections(0)
            .build();
        let connector = DefaultConnector::default().chain(self.probe.clone());
        Agent::with_parts(config, connector, DefaultResolver::default())
    }
}

/// The TLS library's error inside of ureq's.
fn tls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

fn is_unknown_issuer(error: &ureq::Error) -> bool {
    use rustls::CertificateError::UnknownIssuer;
    matches!(tls_error(error), Some(rustls::Error::InvalidCertificate(UnknownIssuer)))
}

/// A request without an answer.
#[derive(Debug)]
pub struct SendError {
    pub error: Error,
    /// Whether a part of the request may have reached the server. False only if there was no
    /// connection.
    pub was_sent: bool,
}

fn receive(
    endpoint: &Endpoint,
    result: Result<Response<Body>, ureq::Error>,
) -> Result<Reply, Error> {
    let mut response = result.map_err(|error| failure(endpoint, error))?;
    let header = |headers: &HeaderMap, name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(String::from)
    };
    let status = response.status().as_u16();
    let retry_after = header(response.headers(), "retry-after");
    let date = header(response.headers(), "date");
    let is_challenge = header(response.headers(), "cf-mitigated").is_some();
    let body = response.body_mut().with_config().limit(MAX_BODY).read_to_vec();
    let body = body.map_err(|error| failure(endpoint, error))?;
    Ok(Reply { status, retry_after, date, is_challenge, body })
}

fn failure(endpoint: &Endpoint, error: ureq::Error) -> Error {
    let url = endpoint.shown();
    if let Some(error) = tls_error(&error) {
        return Error::Tls { url, reason: tls_reason(error) };
    }
    let network =
        |reason: &str| Error::Network { url: endpoint.shown(), reason: reason.to_string() };
    match error {
        ureq::Error::Timeout(phase) => Error::TimedOut {
            url,
            phase: match phase {
                Timeout::Resolve => "looking up the name",
                Timeout::Connect => "connecting",
                _ => "waiting for the answer",
            },
        },
        ureq::Error::HostNotFound => network("the name is not known"),
        ureq::Error::BodyExceedsLimit(limit) => Error::TooLarge { url, limit },
        ureq::Error::Io(error) => network(&Error::io_reason(&error)),
        ureq::Error::ConnectProxyFailed(_) => network("the proxy does not connect"),
        ureq::Error::InvalidProxyUrl => network("the proxy's URL is not valid"),
        ureq::Error::Protocol(_) => network("the answer is not HTTP"),
        ureq::Error::LargeResponseHeader(..) => network("the answer's header is too large"),
        _ => network("the connection failed"),
    }
}

fn tls_reason(error: &rustls::Error) -> String {
    use rustls::CertificateError::{Expired, ExpiredContext, UnknownIssuer};
    use rustls::CertificateError::{
        NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
    };
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            UnknownIssuer => "the certificate's issuer is not trusted".into(),
            Expired | ExpiredContext { .. } => "the certificate has expired".into(),
            NotValidYet | NotValidYetContext { .. } => "the certificate is not valid yet".into(),
            NotValidForName | NotValidForNameContext { .. } => {
                "the certificate is for another name".into()
            }
            _ => "the certificate is not valid".into(),
        },
        _ => "the handshake failed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_over_tls_or_stays_on_the_machine() {
        let check = |url: &str, expected: Result<bool, &str>| {
            let result = Endpoint::parse(url).map(|endpoint| endpoint.is_plain);
            let result = result.map_err(|error| error.to_string());
            assert_eq!(result, expected.map_err(|reason| format!("{url}: {reason}")));
        };
        check("https://chatgpt.com/x", Ok(false));
        check("http://127.0.0.1:8080/x", Ok(true));
        check("http://127.8.9.1/x", Ok(true));
        check("http://[::1]:8080/x", Ok(true));
        check("http://LocalHost/x", Ok(true));
        check("http://127.0.0.1.example.com/x", Err("is not encrypted"));
        check("http://localhost.example.com/x", Err("is not encrypted"));
        check("http://10.0.0.1/x", Err("is not encrypted"));
        check("ftp://127.0.0.1/x", Err("is not an https URL"));
        check("/only/a/path", Err("names no host"));
        check("https://chatgpt.com:65535/x", Ok(false));
        check("https://u:p@chatgpt.com:443/x", Ok(false));
        for url in ["https://chatgpt.com:65536/", "http://127.0.0.1:99999/", "https://a.b:0/"] {
            check(url, Err("has a port that there is not"));
        }
        for url in ["http://[127.0.0.1]:80/x", "https://[1.2.3.4]/x", "https://[chatgpt.com]/"] {
            check(url, Err("has brackets around what is no IPv6 address"));
        }
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_password_and_no_query() {
        assert_eq!(
            shown("https://user:pass@host.example:1/a/b?token=x#y"),
            "https://host.example:1/a/b"
        );
        assert_eq!(shown("nonsense"), "nonsense");
    }
}
