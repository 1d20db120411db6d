//! The least that a line from a cache can cost: one file opened, read once and printed. Compiled by the benchmark itself.

use std::fs::File;
use std::io::{Read, Write};

fn main() {
    let path = std::env::args_os().nth(1).expect("a file");
    let mut buffer = [0; 8192];
    let length = File::open(path).expect("opens").read(&mut buffer).expect("reads");
    std::io::stdout().write_all(&buffer[..length]).expect("prints");
}
