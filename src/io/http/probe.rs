//! What became of a connection: whether there was one, and what was received on it.

use super::{EXCHANGE, IsEnough};
use crate::io::answer::{self, RawAnswer};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use ureq::Timeout;
use ureq::http::Uri;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Remembers the latest connection that was established, after the handshakes with the proxy and of
/// TLS. It is the last link in ureq's chain of connectors.
///
/// An error alone does not tell whether anything was sent: "no route to host" can be the result of
/// connecting, but also the end of a connection after the request was sent.
///
/// For a POST it also hands out the transport that reads the answer, in ureq's place.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionProbe(Arc<Mutex<ProbeState>>);

#[derive(Debug, Default)]
struct ProbeState {
    established: Option<Uri>,
    /// The request whose answer is read here, and when it is enough.
    wanted: Option<(Uri, IsEnough)>,
    received: Received,
}

/// What has come of an answer, and what ended it.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    pub(super) failure: Option<ureq::Error>,
}

impl ConnectionProbe {
    fn state(&self) -> MutexGuard<'_, ProbeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, uri: &Uri, is_enough: IsEnough) {
        let wanted = Some((uri.clone(), is_enough));
        *self.state() = ProbeState { wanted, ..ProbeState::default() };
    }

    pub(super) fn is_to(&self, uri: &Uri) -> bool {
        self.state().established.as_ref() == Some(uri)
    }

    pub(super) fn end(&self) -> Received {
        let mut state = self.state();
        state.wanted = None;
        std::mem::take(&mut state.received)
    }
}

impl<In: Transport> Connector<In> for ConnectionProbe {
    type Out = AnswerReader<In>;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<AnswerReader<In>>, ureq::Error> {
        // The connection to a proxy comes through here as well, before there is one to the server.
        let mut state = self.state();
        state.established = chained.is_some().then(|| details.uri.clone());
        let wanted = state.wanted.as_ref().filter(|(uri, _)| uri == details.uri);
        let reads = wanted.map(|(_, is_enough)| (self.clone(), *is_enough));
        Ok(chained.map(|inner| AnswerReader { inner, reads }))
    }
}

/// A transport that reads the whole answer of a POST itself and leaves nothing of it to ureq. Other
/// requests go through it unchanged.
#[derive(Debug)]
pub(super) struct AnswerReader<In> {
    inner: In,
    reads: Option<(ConnectionProbe, IsEnough)>,
}

impl<In: Transport> Transport for AnswerReader<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let Some((probe, is_enough)) = &self.reads else {
            return self.inner.await_input(timeout);
        };
        let begun = Instant::now();
        let mut bytes = Vec::new();
        let failure = loop {
            if let Err(error) = self.inner.maybe_await_input(timeout) {
                break Some(error);
            }
            let input = self.inner.buffers().input();
            let amount = input.len();
            bytes.extend_from_slice(input);
            self.inner.buffers().input_consume(amount);
            let answer = RawAnswer::read(&bytes, amount == 0, *is_enough);
            if amount == 0 || answer.is_some_and(|answer| answer.is_complete) {
                break None;
            }
            if bytes.len() > answer::MOST {
                break Some(ureq::Error::BodyExceedsLimit(answer::MOST as u64));
            }
            if begun.elapsed() > EXCHANGE {
                break Some(ureq::Error::Timeout(Timeout::RecvResponse));
            }
        };
        let is_cut = failure.is_none();
        probe.state().received = Received { bytes, failure };
        let reason = if is_cut { "the connection ended" } else { "the answer cannot be read" };
        Err(ureq::Error::Io(std::io::Error::other(reason)))
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
