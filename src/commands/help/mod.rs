//! `codexline help`: the reference, as short Markdown files beside this one. The man page has them
//! too, and the README links to them.

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

/// The list of topics, for the end of the program's own help.
pub fn list() -> String {
    let rows = TOPICS.iter().map(|topic| format!("  {:11}  {}\n", topic.name, topic.about));
    format!("\nTopics, shown by codexline help TOPIC:\n{}", rows.collect::<String>())
}
