//! Signals that ask this process to end.

use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGTTOU};
use std::sync::atomic::{AtomicI32, Ordering};

/// Makes this process ignore requests to end, because it must finish what it has begun. Stopping it
/// (`^Z`) is ignored too: when it went on, an answer that came meanwhile would be too old.
pub fn ignore_requests_to_end() {
    for signal in [SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGTTOU] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, SIG_IGN) };
    }
}

/// The signal that asked this process to end; 0 if none has.
static REQUEST: AtomicI32 = AtomicI32::new(0);

/// Makes the first HUP, INT or TERM a mere note for [`request_to_end`]; the second ends the process
/// as usual. A signal that is ignored already, as under nohup, stays ignored.
pub fn note_requests_to_end() {
    extern "C" fn note(signal: libc::c_int) {
        REQUEST.store(signal, Ordering::Relaxed);
    }
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // SAFETY: all zeros is a valid sigaction: the default action without flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: the call only fills `action`.
        unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
        if action.sa_sigaction != SIG_IGN {
            action.sa_sigaction = note as *const () as usize;
            action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
            // SAFETY: the handler only stores into an atomic, which any signal may interrupt.
            unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        }
    }
}

/// The exit status for the request to end that came, as shells have it (130 after `^C`); `None` if
/// none came.
pub fn request_to_end() -> Option<u8> {
    let signal = u8::try_from(REQUEST.load(Ordering::Relaxed)).ok()?;
    (signal != 0).then(|| 128 + signal)
}
