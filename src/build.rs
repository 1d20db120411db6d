//! The build script: leaves the unwinder's tables out of a release's executable.
//!
//! They are for the way from a panic back to who catches it, and for backtraces. A release ends at a panic (`panic = "abort"`), after
//! its message, and its functions have no names (`strip`), so all that they give is their size: 0.4 MB of 3.2. The compiler has a
//! flag against them, but only for all profiles at once, and the standard library comes with its own; so the linker drops
//! them.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is how a build script talks to cargo"
)]

use std::env;
use std::path::Path;

/// What the C compiler's own start files have there, musl's refer to.
const SCRIPT: &str = "SECTIONS {
  /DISCARD/ : { *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame) *(.gcc_except_table .gcc_except_table.*) }
} INSERT AFTER .text;
";

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=src/build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let is_linux = variable("CARGO_CFG_TARGET_OS") == "linux";
    // One that the user has chosen may not know such scripts.
    let is_own_linker =
        variable("RUSTC_LINKER").is_empty() && !variable("CARGO_ENCODED_RUSTFLAGS").contains("link");
    if is_linux && is_own_linker && variable("PROFILE") == "release" {
        let script = Path::new(&variable("OUT_DIR")).join("without-tables.ld");
        std::fs::write(&script, SCRIPT)?;
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
    Ok(())
}
