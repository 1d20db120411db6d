//! Who reads a command in a snippet, and how a path is written so that they read it as it is.

/// Who reads a command in a snippet.
#[derive(Clone, Copy)]
pub(super) enum Reader {
    /// A shell.
    Shell,
    /// A string with backslashes in it, then a shell.
    StringThenShell,
    /// A string with backslashes in it.
    String,
    /// tmux's formats and strftime, then a shell.
    Tmux,
    /// A string of tmux's in '…', then a shell.
    TmuxString,
    /// A shell's string in "…", then what reads it in tmux.
    StringThenTmux,
}

impl Reader {
    /// A path so that it comes out as it is.
    pub(super) fn write(self, path: &str) -> String {
        let escaped = |text: &str, special: &dyn Fn(char) -> bool| {
            let mut out = String::new();
            for character in text.chars() {
                if special(character) {
                    out.push('\\');
                }
                out.push(character);
            }
            out
        };
        let for_shell = |text: &str| {
            escaped(text, &|character| {
                !(character.is_alphanumeric() || "/._-+:@%,".contains(character))
            })
        };
        let for_string = |text: &str| escaped(text, &|character| matches!(character, '"' | '\\'));
        // In a file of tmux the command stands in '…', so nothing else is special.
        let for_tmux = |text: &str| for_shell(text).replace('#', "##").replace('%', "%%");
        match self {
            Reader::Shell => for_shell(path),
            Reader::String => for_string(path),
            Reader::StringThenShell => for_string(&for_shell(path)),
            Reader::Tmux => for_tmux(path),
            Reader::TmuxString => for_shell(path).replace('\'', r"'\''"),
            Reader::StringThenTmux => {
                escaped(&for_tmux(path), &|character| "\\\"$`".contains(character))
            }
        }
    }
}
