//! powerlevel10k's segments: the state in capitals, by which the theme colours, then the text, for
//! `p10k segment -s "${line%% *}" -t "${line#* }"`. The text is expanded for `%`, as in any prompt
//! of zsh.

use super::zsh::MARKUP;
use super::{AutoColour, Host, Output, PROMPT};

pub const HOST: Host = Host {
    name: "powerlevel10k",
    about: "a segment of powerlevel10k: its state, its text",
    markup: MARKUP,
    colour: AutoColour::Never,
    envelope,
    ..PROMPT
};

fn envelope(output: &Output) -> String {
    format!("{} {}\n", output.view.severity.name().to_ascii_uppercase(), output.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::tests::check;

    #[test]
    fn the_state_comes_first() {
        check(&HOST, "", "50% $(id)", 42.0, "OK 50%% $(id) 5h 42%%\n");
        check(&HOST, "", "plus", 100.0, "EXHAUSTED plus 5h 100%%\n");
    }
}
