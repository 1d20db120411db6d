//! The static build, which is what is shipped, finds what the system says: names, certificates,
//! time zones. Each test has a network and an `/etc` of its own.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::home::{Home, Output, TempDir, finish};
use crate::support::server::{Answer, Authority, Server};
use crate::support::{USUAL_LINE, usage};

/// Runs a test in a thread that has a loopback interface and nothing else for a network, and `etc`
/// in the place of `/etc`. Servers and programs that it starts live there as well.
fn alone(etc: &Path, test: impl FnOnce() + Send) {
    let etc = std::ffi::CString::new(etc.to_str().unwrap()).unwrap();
    let enter = move || {
        let flags = libc::CLONE_FS | libc::CLONE_NEWNS | libc::CLONE_NEWNET;
        let (none, root) = (std::ptr::null(), c"/".as_ptr());
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: every pointer is null or leads to a text that outlives its call, and the request
        // gets the structure that it reads.
        unsafe {
            assert_eq!(libc::unshare(flags), 0, "unshare");
            assert_eq!(libc::mount(none, root, none, private, none.cast()), 0, "private mounts");
            let bound =
                libc::mount(etc.as_ptr(), c"/etc".as_ptr(), none, libc::MS_BIND, none.cast());
            assert_eq!(bound, 0, "an /etc of its own");
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            let mut request = std::mem::zeroed::<libc::ifreq>();
            request.ifr_name[..2].copy_from_slice(&[b'l', b'o'].map(|byte| byte as libc::c_char));
            request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
            let up = libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request);
            assert_eq!(up, 0, "the loopback interface");
        }
        test();
    };
    std::thread::scope(|scope| scope.spawn(enter).join()).unwrap_or_else(|panic| {
        std::panic::resume_unwind(panic);
    });
}

/// An `/etc` that asks a name server on loopback.
fn etc() -> TempDir {
    let etc = TempDir::new();
    let write = |name: &str, text: &str| std::fs::write(etc.path().join(name), text).unwrap();
    write("hosts", "127.0.0.1 localhost\n127.0.0.1 from-hosts.example\n");
    write("resolv.conf", "nameserver 127.0.0.1\nsearch corp.example\n");
    std::fs::create_dir_all(etc.path().join("ssl/certs")).unwrap();
    etc
}

/// The names of a name server, each with its addresses.
const NAMES: [(&str, &[IpAddr]); 4] = [
    ("usage.corp.example", &[IpAddr::V4(Ipv4Addr::LOCALHOST)]),
    // Nobody listens there, no way leads there, and nobody answers there.
    ("refused.example", &[IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]),
    (
        "unreachable.example",
        &[
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
            IpAddr::V4(Ipv4Addr::LOCALHOST),
        ],
    ),
    ("silent.example", &[IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]),
];

/// Answers on port 53 as long as the network is there; the names that were asked for.
fn name_server() -> Arc<Mutex<BTreeSet<String>>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).unwrap();
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let question = &packet[12..length];
            let (mut name, mut at) = (Vec::new(), 0);
            while question[at] != 0 {
                let end = at + 1 + usize::from(question[at]);
                name.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
                at = end;
            }
            let (name, kind) = (name.join("."), question[at + 2]);
            let known = NAMES.iter().find(|(known, _)| *known == name);
            let addresses: Vec<Vec<u8>> = known
                .map_or(&[][..], |(_, addresses)| addresses)
                .iter()
                .filter_map(|address| match (address, kind) {
                    (IpAddr::V4(address), 1) => Some(address.octets().to_vec()),
                    (IpAddr::V6(address), 28) => Some(address.octets().to_vec()),
                    _ => None,
                })
                .collect();
            heard.lock().unwrap().insert(name);
            // An answer; recursion available; 3: there is no such name.
            let status = if known.is_some() { 0x80 } else { 0x83 };
            let count = addresses.len() as u8;
            let mut answer = packet[..2].to_vec();
            answer.extend([0x81, status, 0, 1, 0, count, 0, 0, 0, 0]);
            answer.extend(&question[..at + 5]);
            for address in addresses {
                // The name is that of the question; class IN, 60 seconds.
                answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, address.len() as u8]);
                answer.extend(address);
            }
            let _ = socket.send_to(&answer, from);
        }
    });
    asked
}

/// A server whose certificate has these names, and a home that knows its authority and reaches it
/// by the first of them.
fn reached_by(names: &[&str], authority: &Authority) -> (Server, Home) {
    let server = Server::tls_as(authority, names, |_| Answer::json(200, &usage()));
    let home = Home::new(&server).direct();
    ask_for(names[0], &server, &home);
    (server, home)
}

fn ask_for(name: &str, server: &Server, home: &Home) {
    let base = format!("https://{name}:{}/backend-api", server.port());
    home.write_config(&format!("chatgpt_base_url = \"{base}\"\n"));
}

fn run(program: &Path, home: &Home, arguments: &[&str]) -> Output {
    finish(home.wrapped(&[program.to_str().unwrap()]).args(arguments))
}

#[test]
fn names_come_from_hosts_search_domains_and_addresses_that_answer() {
    let program = needs!("namespaces", "static-build");
    let etc = etc();
    alone(etc.path(), || {
        let asked = name_server();
        let authority = Authority::new();
        let names = ["from-hosts.example", "usage", "refused.example", "unreachable.example"];
        let (server, mut home) = reached_by(&names, &authority);
        let certificate = home.path().join("authority.pem");
        authority.write(&certificate);
        home.set("CODEX_CA_CERTIFICATE", &certificate);
        for (count, name) in names.into_iter().enumerate() {
            ask_for(name, &server, &home);
            let output = run(&program, &home, &["fetch"]);
            assert_eq!((output.code, server.total()), (Some(0), count + 1), "{name}: {output:?}");
            assert_eq!(run(&program, &home, &["--offline"]).stdout, USUAL_LINE, "{name}");
        }
        let asked = asked.lock().unwrap().clone();
        assert!(asked.contains("usage.corp.example"), "{asked:?}");
        assert!(!asked.contains("from-hosts.example"), "{asked:?}");
        // A name that nobody knows.
        ask_for("nobody.example", &server, &home);
        let output = run(&program, &home, &["fetch"]);
        assert_eq!(output.code, Some(1));
        assert!(output.stderr.contains("nobody.example"), "{output:?}");
    });
}

#[test]
fn an_ipv6_address_that_does_not_answer_holds_a_fetch_for_half_its_patience() {
    let program = needs!("namespaces", "static-build");
    let etc = etc();
    alone(etc.path(), || {
        let _asked = name_server();
        let authority = Authority::new();
        let (server, mut home) = reached_by(&["silent.example"], &authority);
        let certificate = home.path().join("authority.pem");
        authority.write(&certificate);
        home.set("CODEX_CA_CERTIFICATE", &certificate);
        // The queue of a server that accepts nobody: once it is full, nothing is answered.
        let silent = TcpListener::bind((Ipv6Addr::LOCALHOST, server.port())).unwrap();
        // SAFETY: only the length of the queue of an open socket changes.
        assert_eq!(unsafe { libc::listen(silent.as_raw_fd(), 0) }, 0);
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, server.port()));
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            waiting.push(stream);
            assert!(waiting.len() < 100, "the queue is never full");
        }
        let begun = Instant::now();
        // A prompt is not held.
        let output = run(&program, &home, &["starship"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "{output:?}");
        assert_eq!(output.code, Some(0));
        let output = run(&program, &home, &["fetch"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(run(&program, &home, &["--offline"]).stdout, USUAL_LINE);
        home.settle();
    });
}

#[test]
fn certificates_come_from_the_system_or_a_named_file() {
    let program = needs!("namespaces", "static-build");
    let etc = etc();
    let (system, named) = (Authority::new(), Authority::new());
    system.write(&etc.path().join("ssl/certs/ca-certificates.crt"));
    alone(etc.path(), || {
        for (authority, file, accepted) in [
            (&system, None, true),
            (&named, None, false),
            (&named, Some("SSL_CERT_FILE"), true),
            (&named, Some("CODEX_CA_CERTIFICATE"), true),
        ] {
            let (server, mut home) = reached_by(&["localhost"], authority);
            if let Some(variable) = file {
                let path = home.path().join("authority.pem");
                authority.write(&path);
                home.set(variable, &path);
            }
            let output = run(&program, &home, &["fetch"]);
            let expected = if accepted { (Some(0), 1) } else { (Some(1), 0) };
            assert_eq!((output.code, server.total()), expected, "{file:?}: {output:?}");
        }
    });
}

#[test]
fn times_are_local_by_tz_and_by_localtime() {
    let program = needs!("namespaces", "static-build");
    let etc = etc();
    let zones = Path::new("/usr/share/zoneinfo");
    if !zones.join("Asia/Kathmandu").exists() {
        skip!("zoneinfo");
    }
    std::fs::copy(zones.join("Asia/Kathmandu"), etc.path().join("localtime")).unwrap();
    alone(etc.path(), || {
        let server = Server::usage(usage());
        let mut home = Home::new(&server);
        assert_eq!(run(&program, &home, &["fetch"]).code, Some(0));
        for (variable, zone) in [
            (None, "Asia/Kathmandu"),
            (Some("America/St_Johns"), "America/St_Johns"),
            (Some(":Australia/Eucla"), "Australia/Eucla"),
            (Some("UTC0"), "UTC"),
        ] {
            match variable {
                Some(value) => home.set("TZ", value),
                None => home.unset("TZ"),
            }
            let json = run(&program, &home, &["json", "--offline"]).json();
            let at = json["windows"][0]["resets_at"].as_i64().expect("a time");
            let at = jiff::Timestamp::from_second(at).unwrap().in_tz(zone).unwrap();
            let line = run(&program, &home, &["--offline", "--format", "{5h.reset_at}"]).stdout;
            let expected = at.strftime("%H:%M\n").to_string();
            assert!(line.ends_with(&expected), "{variable:?}: {line} {expected}");
        }
    });
}
