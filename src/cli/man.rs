//! The man page, from clap's generator.

use super::grammar::{NAME, grammar};
use crate::commands::help;
use clap::Command;
use clap_mangen::Man;
use std::io::Write;

/// The man page of the program, with a section for each command.
pub fn man() -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = write_man(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn write_man(out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut command = grammar(false);
    command.build();
    let page = Man::new(command.clone());
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_options_section(out)?;
    for subcommand in command.get_subcommands() {
        write_man_of(subcommand, NAME, out)?;
    }
    for topic in &help::TOPICS {
        write_topic(topic, out)?;
    }
    out.write_all(MAN_END.as_bytes())
}

/// What is left of the usual 80 columns beside the margin of a man page.
const COLUMNS: usize = 72;

/// A topic in lines that are broken already: its tables would be text to a man page.
fn write_topic(topic: &help::Topic, out: &mut Vec<u8>) -> std::io::Result<()> {
    writeln!(out, ".SH \"TOPIC: {}\"\n.nf", topic.name)?;
    for line in help::lay_out(topic.text, COLUMNS).lines() {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        let guard = if line.starts_with(['.', '\'']) { "\\&" } else { "" };
        writeln!(out, "{guard}{line}")?;
    }
    writeln!(out, ".fi")
}

fn write_man_of(command: &Command, parent: &str, out: &mut Vec<u8>) -> std::io::Result<()> {
    let name = format!("{parent} {}", command.get_name());
    writeln!(out, ".SH \"{name}\"")?;
    let mut part = Vec::new();
    let page = Man::new(command.clone());
    page.render_synopsis_section(&mut part)?;
    page.render_description_section(&mut part)?;
    page.render_options_section(&mut part)?;
    // Their headings are one level lower here.
    out.write_all(String::from_utf8_lossy(&part).replace("\n.SH ", "\n.SS ").as_bytes())?;
    command.get_subcommands().try_for_each(|command| write_man_of(command, &name, out))
}

/// What the grammar does not say.
const MAN_END: &str = "\
.SH ENVIRONMENT
.TP
\\fBCODEXLINE_MAX_AGE\\fR, \\fBCODEXLINE_FORMAT\\fR, …
The options, in capitals and with _ for \\-; what is typed beats them.
.TP
\\fBCODEXLINE_CONFIG\\fR
Another config file than the one below.
.TP
\\fBCODEX_HOME\\fR
Where codex keeps its login; ~/.codex by default.
.TP
\\fBNO_COLOR\\fR
No colours where \\-\\-color is auto.
.SH FILES
.TP
$XDG_CONFIG_HOME/codexline/config.toml
The same options as keys, in a common part and in a section for each host:
see codexline config \\-\\-default.
.TP
$XDG_CACHE_HOME/codexline/
The last answer, the counts of activity, and locks.
.SH EXIT STATUS
0 whenever a line was printed, also one that tells of a failure;
1 where fetch, auth, activity or config failed; 2 for a mistake in the
command line or the environment.
";
