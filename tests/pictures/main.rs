//! Takes the READMEs' pictures in the real hosts, one for each: `integrations/HOST/picture.png`.
//!
//! `cargo bench --bench pictures` takes all of them, `cargo bench --bench pictures -- tmux waybar`
//! those. `.ci/hosts` installs what they need. A plain `cargo bench` takes none.
#![cfg_attr(not(target_os = "linux"), allow(unused))]
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]
#![allow(clippy::disallowed_methods)]

#[macro_use]
#[path = "../suite/support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod hosts;

#[cfg(target_os = "linux")]
fn main() {
    // cargo adds --bench.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let known = hosts::PICTURES.map(|(name, _)| name);
    if let Some(name) = wanted.iter().find(|name| !known.contains(&&name[..])) {
        println!("pictures: there is none of {name}; these are known: {}", known.join(", "));
        std::process::exit(2);
    }
    for (name, take) in hosts::PICTURES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            println!("pictures: {name}");
            take();
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("pictures: the hosts of the pictures run on Linux");
}
