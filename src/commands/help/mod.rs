//! `codexline help`: the reference, as short Markdown files beside this one. The man page has them
//! too, and the README links to them.

mod layout;

pub use layout::lay_out;

use crate::model::text::wrap;

/// One file of the reference.
pub struct Topic {
    pub name: &'static str,
    /// For the list of topics.
    pub about: &'static str,
    pub text: &'static str,
}

macro_rules! topic {
    ($name:literal, $about:literal) => {
        Topic { name: $name, about: $about, text: include_str!(concat!($name, ".md")) }
    };
}

/// Every topic. One that has the name of a command is shown behind the help of that command.
pub const TOPICS: [Topic; 8] = [
    topic!("line", "what the line means, and every word that it can show"),
    topic!("templates", "the line by --format and --window"),
    topic!("config", "options, environment, config file, two accounts, hooks"),
    topic!("json", "every key of codexline json, and every error code"),
    topic!("sources", "where the numbers come from"),
    topic!("login", "how codexline treats your login"),
    topic!("files", "files and variables"),
    topic!("activity", "sessions, turns and tokens by day"),
];

/// The topic of this name.
pub fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The list of topics, for the end of the program's own help; in lines of so many columns if that
/// is given.
pub fn list(columns: Option<usize>) -> String {
    const NAME: usize = 15;
    let columns = columns.unwrap_or(usize::MAX).saturating_sub(NAME);
    let row = |topic: &Topic| {
        let lines = wrap(topic.about, columns).join(&format!("\n{:NAME$}", ""));
        format!("  {:11}  {lines}\n", topic.name)
    };
    format!(
        "\nTopics, shown by codexline help TOPIC:\n{}",
        TOPICS.iter().map(row).collect::<String>()
    )
}
