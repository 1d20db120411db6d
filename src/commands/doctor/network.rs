//! The way to the endpoint. It is asked without a login, because only the way is checked here.

use super::{DoctorContext, Finding, Verdict};
use crate::io::certificates::Trust;
use crate::io::http::{Client, Proxy, Reply};
use crate::model::entry::Source;
use crate::model::error::Error;
use crate::model::time::{MINUTE, countdown, http_date};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::time::Duration;

/// Resolvers ask a second time after 5 seconds.
const NAME_PATIENCE: Duration = Duration::from_secs(8);
/// Tokens and certificates bear this much, in seconds.
const TOLERATED_SKEW: i64 = 5 * MINUTE;

pub fn endpoint(context: &DoctorContext) -> Vec<Finding> {
    vec![match &context.endpoint {
        Ok(endpoint) => Finding::ok("base URL", endpoint.shown()),
        Err(error) => Finding::broken("base URL", error),
    }]
}

/// Codex's file of environment variables, where there is something to know of it.
pub fn dotenv(context: &DoctorContext) -> Vec<Finding> {
    let remarks = context.dotenv.iter().flat_map(|dotenv| dotenv.remarks(context.env));
    remarks.map(|remark| Finding::note(".env", remark)).collect()
}

/// The proxy, if one is used for the endpoint.
fn proxy_in_force(context: &DoctorContext) -> Option<Proxy> {
    let endpoint = context.endpoint.as_ref().ok()?;
    Proxy::find(&context.network).filter(|_| !endpoint.is_plain())
}

pub fn proxy(context: &DoctorContext) -> Vec<Finding> {
    let Some(Proxy { variable, url, .. }) = Proxy::find(&context.network) else {
        return vec![Finding::ok("proxy", "none")];
    };
    let from = match &context.home {
        Ok(home) if context.env.variable(variable).is_none() => {
            format!("{variable} in {}", home.dotenv().display())
        }
        _ => variable.to_string(),
    };
    vec![match proxy_in_force(context) {
        Some(_) => Finding::ok("proxy", format!("{url} ({from})")),
        None => Finding::ok("proxy", format!("{from} is set, but not used for loopback")),
    }]
}

pub fn certificates(context: &DoctorContext) -> Vec<Finding> {
    let env = &context.network;
    vec![match Trust::new(env).map(|trust| trust.describe(env)) {
        Ok((0, _)) => Finding::new(
            "certificates",
            Verdict::Broken,
            "no certificate authority is trusted here",
        )
        .with("install ca-certificates, or name a bundle in SSL_CERT_FILE"),
        Ok((count, sources)) => {
            Finding::ok("certificates", format!("{count} authorities: {sources}"))
        }
        Err(error) => Finding::broken("certificates", &error),
    }]
}

pub fn name(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "DNS";
    let Ok(endpoint) = &context.endpoint else { return Vec::new() };
    if !is_used(context) {
        return Vec::new();
    }
    if proxy_in_force(context).is_some() {
        return vec![Finding::ok(NAME, "left to the proxy")];
    }
    let (host, port) = endpoint.host_and_port();
    let (sender, answer) = mpsc::channel();
    let asked = (host.clone(), port);
    // A thread, for the resolver has no time-out of ours.
    std::thread::spawn(move || {
        let addresses =
            asked.to_socket_addrs().map(|addresses| addresses.collect::<Vec<SocketAddr>>());
        let _ = sender.send(addresses);
    });
    let broken = |reason: String| {
        Finding::new(NAME, Verdict::Broken, format!("{host}: {reason}"))
            .with("check the network and the resolver")
    };
    vec![match answer.recv_timeout(NAME_PATIENCE) {
        Ok(Ok(addresses)) if addresses.is_empty() => broken("has no address".into()),
        Ok(Ok(addresses)) => Finding::ok(NAME, format!("{host} is {}", addresses[0].ip())),
        Ok(Err(error)) => broken(Error::io_reason(&error)),
        Err(_) => broken(format!("no answer within {} s", NAME_PATIENCE.as_secs())),
    }]
}

/// Who wants only the session files keeps off the network here too.
fn is_used(context: &DoctorContext) -> bool {
    context.settings.source != Some(Source::Sessions)
}

fn reply<'a>(context: &'a DoctorContext) -> Option<&'a Result<Reply, Error>> {
    let endpoint = context.endpoint.as_ref().ok().filter(|_| is_used(context))?;
    let ask = || Client::new(&context.network).and_then(|client| client.get_public(endpoint));
    Some(context.reply.get_or_init(ask))
}

pub fn server(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "server";
    let Some(reply) = reply(context) else { return Vec::new() };
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return vec![Finding::broken(NAME, error)],
    };
    let status = reply.status;
    let by = if reply.is_json() { "JSON" } else { "a page" };
    let told = format!("reached; asked without a login it answers {status} with {by}");
    vec![match status {
        401 => Finding::ok(NAME, told),
        200..=299 | 403 if reply.is_json() => Finding::ok(NAME, told),
        // Bare requests meet more suspicion than those of a login; the back-off tells what became
        // of these.
        403 => Finding::note(NAME, told)
            .with("if fetches fail with 403 as well: try another network, without VPN"),
        429 | 500..=599 => {
            Finding::note(NAME, told).with("nothing to do: codexline tries again later")
        }
        200..=399 => Finding::new(NAME, Verdict::Broken, told)
            .with("sign in to the network, or check chatgpt_base_url"),
        _ => Finding::note(NAME, told).with("check chatgpt_base_url"),
    }]
}

pub fn clock(context: &DoctorContext) -> Vec<Finding> {
    const NAME: &str = "clock";
    let Some(Ok(reply)) = reply(context) else { return Vec::new() };
    let Some(date) = reply.date.as_deref().and_then(http_date) else {
        return vec![Finding::note(NAME, "the server does not tell its time")];
    };
    let skew = context.env.now().seconds_since(date);
    let side = if skew > 0 { "ahead of" } else { "behind" };
    let found = format!("{} {side} the server's", countdown(skew.abs()));
    vec![if skew.abs() > TOLERATED_SKEW {
        Finding::new(NAME, Verdict::Broken, found)
            .with("set the clock: certificates and logins go by it")
    } else if skew.abs() <= 2 {
        Finding::ok(NAME, "as the server's")
    } else {
        Finding::ok(NAME, found)
    }]
}
