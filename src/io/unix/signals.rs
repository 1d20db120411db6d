//! Signals that ask this process to end.

use libc::{SIG_IGN, SIGHUP, SIGINT, SIGTERM};
use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};

/// Signals that keep their meaning: a fault in the program itself, a child's end, and those that
/// end or stop nobody.
const KEPT: [c_int; 12] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
    libc::SIGCHLD,
    libc::SIGCONT,
    libc::SIGURG,
    libc::SIGWINCH,
    libc::SIGKILL,
];

/// The numbers of all signals, the real-time ones included.
fn all_signals() -> std::ops::RangeInclusive<c_int> {
    #[cfg(target_os = "linux")]
    return 1..=libc::SIGRTMAX();
    #[cfg(not(target_os = "linux"))]
    return 1..=31;
}

/// Makes this process ignore every signal that would end it, because it must finish what it has
/// begun. Stopping it (`^Z`) is ignored too: when it went on, an answer that came meanwhile would
/// be too old.
pub fn ignore_requests_to_end() {
    for signal in all_signals().filter(|signal| !KEPT.contains(signal)) {
        // SAFETY: ignoring a signal installs no handler. SIGSTOP, and those that the C library
        // keeps for itself, cannot be ignored; the call fails then.
        unsafe { libc::signal(signal, SIG_IGN) };
    }
}

/// Gives every signal its default action, and blocks none: as a shell starts a command. To be
/// called between fork and exec: it only makes system calls.
pub(super) fn reset_signals() {
    for signal in all_signals() {
        // SAFETY: the default action installs no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: all zeros is the empty set on every system that is built for; the call reads it.
    unsafe {
        let none: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
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
