//! A scripted HTTP/1.1 server on loopback. It uses threads of the standard library and no
//! framework, so that it can also do what no well-behaved server does: stop in the middle, drip,
//! never end.
//!
//! ```ignore
//! let server = Server::start(|_| Answer::json(200, &usage())); // the same for everything
//! server.push(USAGE, Answer::status(401));       // once, before the script is asked
//! server.script(|request| Answer::status(503));  // another script from here on
//! let gate = Gate::closed();
//! // Read, but not answered until gate.open():
//! server.push(USAGE, Answer::json(200, &usage()).behind(&gate));
//! assert_eq!(server.count(USAGE), 1);            // counted as soon as it is read
//! ```
//! Each connection carries one request and is closed after the answer. [`Server::tls`] is the same
//! with a certificate of a made-up [`Authority`]. A `CONNECT` request is recorded and tunnelled, so
//! a server also serves as a proxy. Dropping the server closes every connection and joins its
//! thread.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request as it was read.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The target as sent, with its query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Request {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// `GET /path`: what [`Server::count`] and [`Server::push`] go by. The query does not belong to
    /// it.
    pub fn line(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }

    /// The bearer token, if there is one.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A field of an `application/x-www-form-urlencoded` body, decoded.
    pub fn form(&self, name: &str) -> Option<String> {
        self.text().split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| percent_decode(value))
        })
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or_default(), rest.next().unwrap_or_default()];
                u8::from_str_radix(&String::from_utf8_lossy(&digits), 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A gate at which answers wait until the test opens it. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn closed() -> Self {
        Self(Arc::new((Mutex::new(false), Condvar::new())))
    }

    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn wait(&self, stopped: &AtomicBool) {
        let mut open = self.0.0.lock().unwrap();
        while !*open && !stopped.load(Ordering::SeqCst) {
            open = self.0.1.wait_timeout(open, Duration::from_millis(20)).unwrap().0;
        }
    }
}

#[derive(Clone)]
enum Body {
    Bytes(Vec<u8>),
    /// This chunk again and again, until the client goes away.
    Endless(Vec<u8>),
}

/// An answer, and what is wrong with the way in which it is sent.
#[derive(Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    gates: Vec<Gate>,
    delay: Duration,
    /// How long the connection stays open after the answer.
    stays: Duration,
    drip: Option<(usize, Duration)>,
    /// Close after this many bytes of the whole answer (0: without a byte).
    cut: Option<usize>,
    /// Sent as it is in place of status line and headers.
    raw_head: Option<Vec<u8>>,
}

impl Answer {
    /// An empty body.
    pub fn status(status: u16) -> Self {
        Self::bytes(status, "text/plain", Vec::new())
    }

    pub fn bytes(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), content_type.into())],
            body: Body::Bytes(body.into()),
            gates: Vec::new(),
            delay: Duration::ZERO,
            stays: Duration::ZERO,
            drip: None,
            cut: None,
            raw_head: None,
        }
    }

    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::bytes(status, "application/json", value.to_string())
    }

    pub fn html(status: u16, body: &str) -> Self {
        Self::bytes(status, "text/html; charset=utf-8", body)
    }

    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("Location", location)
    }

    /// 200 and `chunk` without end and without a length.
    pub fn endless(content_type: &str, chunk: &[u8]) -> Self {
        let mut answer = Self::bytes(200, content_type, Vec::new());
        answer.body = Body::Endless(chunk.to_vec());
        answer
    }

    /// The request is read, then the connection closed without a byte.
    pub fn hang_up() -> Self {
        let mut answer = Self::status(200);
        answer.cut = Some(0);
        answer
    }

    /// These bytes instead of status line, headers and body: no HTTP at all, or HTTP by hand.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let mut answer = Self::status(200);
        answer.raw_head = Some(bytes.into());
        answer
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name) || name == "Set-Cookie");
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Nothing is sent before the gate is open (or the server is dropped).
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gates.push(gate.clone());
        self
    }

    /// Waits before the head.
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The connection stays open so long after everything is sent.
    pub fn staying_open(mut self, duration: Duration) -> Self {
        self.stays = duration;
        self
    }

    /// The body comes in pieces of `size` bytes with `pause` before each.
    pub fn drip(mut self, size: usize, pause: Duration) -> Self {
        self.drip = Some((size.max(1), pause));
        self
    }

    /// The connection is closed after that many bytes of the body, although the head announced all
    /// of it.
    pub fn cut_after(mut self, body_bytes: usize) -> Self {
        self.cut = Some(body_bytes.max(1));
        self
    }
}

type Script = Box<dyn Fn(&Request) -> Answer + Send + Sync>;

struct Shared {
    script: Mutex<Arc<Script>>,
    queues: Mutex<HashMap<String, VecDeque<Answer>>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    hang_up_unread: AtomicBool,
    stopped: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

/// The server; see the head of this file.
pub struct Server {
    address: SocketAddr,
    secure: bool,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Plain HTTP.
    pub fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Box::new(script), None)
    }

    /// Answers every usage request with `usage` and everything else with 404.
    pub fn usage(usage: serde_json::Value) -> Self {
        Self::start(move |request| {
            if request.line() == super::USAGE {
                Answer::json(200, &usage)
            } else {
                Answer::status(404)
            }
        })
    }

    /// HTTPS with a certificate for 127.0.0.1 and localhost, signed by `authority`.
    pub fn tls(
        authority: &Authority,
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::tls_as(authority, &["127.0.0.1", "localhost"], script)
    }

    /// HTTPS with a certificate for these names.
    pub fn tls_as(
        authority: &Authority,
        names: &[&str],
        script: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Box::new(script), Some(authority.server_config(names)))
    }

    fn listen(script: Script, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on loopback");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(script)),
            queues: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            hang_up_unread: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let secure = tls.is_some();
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared, tls.as_ref())
        });
        Self { address, secure, shared, accepting: Some(accepting) }
    }

    /// `http://127.0.0.1:PORT` + `path` (https for a TLS server).
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// What goes into `chatgpt_base_url`.
    pub fn base(&self) -> String {
        self.url("/backend-api")
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Replaces the script.
    pub fn script(&self, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(Box::new(script));
    }

    /// Replaces the script by one answer to everything.
    pub fn always(&self, answer: Answer) {
        self.script(move |_| answer.clone());
    }

    /// Queues an answer to the next `METHOD /path`. Queued answers come before the script's.
    pub fn push(&self, line: &str, answer: Answer) {
        let mut queues = self.shared.queues.lock().unwrap();
        queues.entry(line.into()).or_default().push_back(answer);
    }

    /// Closes every further connection without reading from it.
    pub fn hang_up_unread(&self, yes: bool) {
        self.shared.hang_up_unread.store(yes, Ordering::SeqCst);
    }

    /// All requests so far, in the order in which they were read.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests like `GET /path` were read.
    pub fn count(&self, line: &str) -> usize {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|request| request.line() == line).count()
    }

    /// How many requests of any kind.
    pub fn total(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// How many connections were opened, also those without a request.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The latest `METHOD /path`. Panics when there is none.
    pub fn last(&self, line: &str) -> Request {
        let requests = self.requests();
        let found = requests.into_iter().rev().find(|request| request.line() == line);
        found.unwrap_or_else(|| panic!("no {line} arrived"))
    }

    /// Waits until `count` requests like `line` were read.
    pub fn wait_for(&self, line: &str, count: usize) {
        super::eventually(&format!("{count} × {line}"), || self.count(line) >= count);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if that fails, it has ended already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.accepting.take() {
            let _ = thread.join();
        }
        for stream in self.shared.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// A port on loopback at which nothing listens: connecting is refused at once.
pub fn dead_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port on loopback");
    listener.local_addr().unwrap().port()
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, tls: Option<&Arc<rustls::ServerConfig>>) {
    for stream in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        if shared.hang_up_unread.load(Ordering::SeqCst) {
            continue;
        }
        let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
        let _ = stream.set_nodelay(true);
        if let Ok(clone) = stream.try_clone() {
            shared.streams.lock().unwrap().push(clone);
        }
        let shared = Arc::clone(shared);
        let tls = tls.cloned();
        // A client that goes away in the middle is part of a scenario. So errors are ignored.
        std::thread::spawn(move || {
            let _ = match tls {
                None => stream.try_clone().and_then(|plain| {
                    let result = converse(&stream, Some(plain), &shared);
                    // Dropping it does not close the connection: the server keeps a clone for its
                    // own end.
                    let _ = stream.shutdown(Shutdown::Both);
                    result
                }),
                Some(config) => rustls::ServerConnection::new(config)
                    .map_err(io::Error::other)
                    .and_then(|connection| {
                        let mut stream = rustls::StreamOwned::new(connection, stream);
                        let result = converse(&mut stream, None, &shared);
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                        let _ = stream.sock.shutdown(Shutdown::Both);
                        result
                    }),
            };
        });
    }
}

/// One request, one answer. `plain` is the other end of an unencrypted `stream`.
fn converse(
    mut stream: impl Read + Write,
    plain: Option<TcpStream>,
    shared: &Shared,
) -> io::Result<()> {
    let request = read_request(&mut stream)?;
    shared.requests.lock().unwrap().push(request.clone());
    if let (Some(plain), "CONNECT") = (plain, request.method.as_str()) {
        return tunnel(plain, &request.path);
    }
    let queued = {
        let mut queues = shared.queues.lock().unwrap();
        queues.get_mut(&request.line()).and_then(VecDeque::pop_front)
    };
    let answer = queued.unwrap_or_else(|| {
        let script = Arc::clone(&shared.script.lock().unwrap());
        script(&request)
    });
    for gate in &answer.gates {
        gate.wait(&shared.stopped);
    }
    pause(answer.delay, shared);
    send(&mut stream, &answer, shared)?;
    pause(answer.stays, shared);
    Ok(())
}

fn read_request(stream: &mut impl Read) -> io::Result<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 || head.len() > 256 * 1024 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let mut request = Request { method, path, headers, body: Vec::new(), at: Instant::now() };
    let length =
        request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body)?;
    Ok(request)
}

fn pause(duration: Duration, shared: &Shared) {
    let start = Instant::now();
    while start.elapsed() < duration && !shared.stopped.load(Ordering::SeqCst) {
        std::thread::sleep(
            (duration.saturating_sub(start.elapsed())).min(Duration::from_millis(20)),
        );
    }
}

fn send(stream: &mut impl Write, answer: &Answer, shared: &Shared) -> io::Result<()> {
    if answer.cut == Some(0) {
        return Ok(());
    }
    stream.write_all(&head(answer))?;
    let body = match &answer.body {
        Body::Bytes(bytes) => bytes,
        Body::Endless(chunk) => loop {
            if shared.stopped.load(Ordering::SeqCst) {
                return Ok(());
            }
            let (_, interval) = answer.drip.unwrap_or_default();
            pause(interval, shared);
            stream.write_all(chunk)?;
            stream.flush()?;
        },
    };
    let body = &body[..answer.cut.unwrap_or(body.len()).min(body.len())];
    let (size, interval) = answer.drip.unwrap_or((body.len().max(1), Duration::ZERO));
    for piece in body.chunks(size) {
        pause(interval, shared);
        if shared.stopped.load(Ordering::SeqCst) {
            return Ok(());
        }
        stream.write_all(piece)?;
        stream.flush()?;
    }
    stream.flush()
}

fn head(answer: &Answer) -> Vec<u8> {
    if let Some(raw) = &answer.raw_head {
        return raw.clone();
    }
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has_length =
        answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if let (Body::Bytes(bytes), false) = (&answer.body, has_length) {
        head.push_str(&format!("Content-Length: {}\r\n", bytes.len()));
    }
    head.push_str("Connection: close\r\n\r\n");
    head.into_bytes()
}

/// Answers a CONNECT and passes bytes both ways until either side ends.
fn tunnel(mut client: TcpStream, target: &str) -> io::Result<()> {
    let mut origin = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let (mut from, mut to) = (origin.try_clone()?, client.try_clone()?);
    let backward = std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut client, &mut origin);
    let _ = origin.shutdown(Shutdown::Both);
    let _ = backward.join();
    Ok(())
}

/// A certificate authority that exists for one test.
pub struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut parameters =
            rcgen::CertificateParams::new(Vec::<String>::new()).expect("no names to be wrong");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "codexline test authority");
        let certificate = parameters.self_signed(&key).expect("a CA certificate");
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    /// The CA's certificate in PEM, as a company would hand it out.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes [`Authority::pem`] to a file.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.pem()).expect("the CA can be written");
    }

    fn server_config(&self, names: &[&str]) -> Arc<rustls::ServerConfig> {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut parameters = rcgen::CertificateParams::new(names).expect("good names");
        parameters.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ServerAuth);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a server certificate");
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("key and certificate belong together");
        Arc::new(config)
    }
}
