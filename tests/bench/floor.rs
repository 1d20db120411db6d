//! The least that a line from a cache can cost: opens one file, reads it once and prints it. The
//! benchmark compiles it.

use std::fs::File;
use std::io::{Read, Write};

fn main() {
    let path = std::env::args_os().nth(1).expect("a file");
    let mut buffer = [0; 8192];
    let length = File::open(path).expect("opens").read(&mut buffer).expect("reads");
    std::io::stdout().write_all(&buffer[..length]).expect("prints");
}
