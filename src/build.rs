//! The build script: tells the linker how to lay out a release's executable.
//!
//! 1. What a warm line runs lies together ([`WARM`]). Where it is spread over the whole program, almost all of that is mapped at every start,
//!    64 KiB at a time: 1.7 MB, and a tenth of a static build's time. A name that is missing in the list costs a little time, one too much a little
//!    room; nothing else depends on it.
//! 2. The unwinder's tables are left out. They are for the way from a panic back to who catches it, and for backtraces; a release
//!    ends at a panic (`panic = "abort"`), after its message, and its functions have no names (`strip`). So all that they give is their size, 0.4 MB
//!    of 3.2. The compiler has a flag against them, but only for all profiles at once, and the standard library comes with its own.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "this is how a build script talks to cargo"
)]

use std::env;
use std::path::Path;

/// Parts of the names of functions, by module; in both of the compiler's ways to write them.
const WARM: [&str; 4] = [
    // Ours.
    "9codexline4line 9codexline5cache 9codexline6render 9codexline5hosts 9codexline8settings 9codexline5usage \
     9codexline4pace 9codexline4view 9codexline4time 9codexline4text 9codexline6values 9codexline3cli 9codexline11environment \
     9codexline6output 9codexline5files 9codexline5arena 9codexline8accounts 9codexline4push \
     9codexline6layers 9codexline11config_file 9codexline5codex4auth5stamp \
     9codexline5codex4home 9codexline4unix 9codexline5block \
     codexline..accounts codexline..environment codexline..error..Mistake codexline..hosts \
     codexline..usage codexline..cache codexline..settings codexline..view codexline..line codexline..render",
    // Reading and writing JSON.
    "10serde_json2de 10serde_json3ser 10serde_json4read serde_json.. 10serde_core2de 10serde_core3ser 4zmij itoa",
    // Local time.
    "jiff_core2tz jiff_core4util jiff_core5civil jiff2tz jiff3fmt6buffer \
     jiff3fmt7strtime jiff9timestamp jiff..fmt jiff..tz",
    // The standard library.
    "__rustc 4core5array core..array std..io std..ffi 4core3fmt 4core3str 4core3num 4core5slice6memchr \
     4core5slice20copy SliceContains core..option core..result core..ops 4core4iter 4core6option 4core6result 4core4char 4core3cmp 4core3ffi core..slice \
     core..iter..adapters 5alloc alloc.. 3std4path 3std2io 3std3sys 3std3env 3std2fs 3std4sync4once 3std4time \
     3std3ffi",
];

/// Musl's start files refer to their own part of the tables.
const WITHOUT_TABLES: &str = "SECTIONS {
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
        let script = Path::new(&variable("OUT_DIR")).join("layout.ld");
        let names = WARM.iter().flat_map(|names| names.split_whitespace());
        let warm: String = names.map(|name| format!("*(.text.*{name}*)\n")).collect();
        let warm = format!("SECTIONS {{ .text.warm : {{\n*(.text.main)\n{warm}}} }} INSERT BEFORE .text;\n");
        std::fs::write(&script, warm + WITHOUT_TABLES)?;
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
    Ok(())
}
