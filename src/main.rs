//! The program. All of it is in the library, where the compiler finds what nobody uses.

use std::process::ExitCode;

fn main() -> ExitCode {
    codexline::main()
}
