//! Lays a topic out for a terminal: its Markdown is written for wide pages, with tables in which a
//! row is one line. Only what the topics use is known: headings, paragraphs, lists, tables, code
//! and comments.

use crate::model::text::{fit, width};

/// Longer lines are hard to read, however wide the terminal is.
const WIDEST: usize = 80;
/// What stands in front of code, and of the text of a table's row that begins below its name.
const INDENT: usize = 4;
/// The blank columns between a row's name and its text.
const BETWEEN: usize = 2;

/// The topic in lines of at most `columns`, broken at blanks. Code stays as it is.
pub fn lay_out(markdown: &str, columns: usize) -> String {
    let columns = columns.min(WIDEST);
    let mut out = String::with_capacity(markdown.len());
    let mut lines = markdown.lines().filter(|line| !line.starts_with("<!--")).peekable();
    while let Some(line) = lines.next() {
        let begins_row = |line: &&str| line.starts_with('|');
        if line.starts_with("```") {
            for code in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                push(&mut out, INDENT, code);
            }
        } else if begins_row(&line) {
            let mut table = vec![cells(line)];
            while let Some(row) = lines.next_if(begins_row) {
                table.push(cells(row));
            }
            rows(&table, columns, &mut out);
        } else if line.is_empty() || line.starts_with('#') {
            push(&mut out, 0, line.trim_start_matches(['#', ' ']));
        } else {
            let mut text = line.to_string();
            let goes_on = |line: &&str| {
                let ends = line.is_empty()
                    || ["- ", "|", "#", "```"].iter().any(|mark| line.starts_with(mark));
                !ends
            };
            while let Some(line) = lines.next_if(goes_on) {
                text.push(' ');
                text.push_str(line.trim_start());
            }
            let item = text.strip_prefix("- ");
            let indent = if item.is_some() { 2 } else { 0 };
            let broken = fit(item.unwrap_or(&text), columns.saturating_sub(indent).max(1));
            for (place, line) in broken.iter().enumerate() {
                match item {
                    Some(_) if place == 0 => push(&mut out, 0, &format!("- {line}")),
                    _ => push(&mut out, indent, line),
                }
            }
        }
    }
    out
}

fn push(out: &mut String, indent: usize, line: &str) {
    if !line.is_empty() {
        out.extend(std::iter::repeat_n(' ', indent));
    }
    out.push_str(line);
    out.push('\n');
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// Texts beside the names if there is room for both, else below them.
fn rows(table: &[Vec<&str>], columns: usize, out: &mut String) {
    let is_rule = |row: &&Vec<&str>| row.iter().all(|cell| cell.chars().all(|c| c == '-'));
    let table: Vec<_> = table.iter().filter(|row| !is_rule(row)).collect();
    let name = table.iter().filter_map(|row| row.first()).map(|name| width(name)).max();
    let name = name.unwrap_or(0) + BETWEEN;
    let is_beside = name * 2 <= columns;
    let indent = if is_beside { name } else { INDENT };
    for row in table {
        let (first, texts) =
            row.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
        let texts: Vec<&str> = texts.iter().copied().filter(|text| !text.is_empty()).collect();
        let text = fit(&texts.join("; "), columns.saturating_sub(indent).max(1));
        let mut text = text.iter();
        if is_beside {
            let beside = text.next().map_or("", String::as_str);
            push(out, 0, format!("{first:name$}{beside}").trim_end());
        } else {
            fit(first, columns).iter().for_each(|line| push(out, 0, line));
        }
        text.for_each(|line| push(out, indent, line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::help::TOPICS;

    const SAMPLE: &str = "\
# A head

One two
three four five.

<!-- keys -->
| name | what |
|---|---|
| `ab` | one two three four |
<!-- /keys -->

- an item that
  goes on and on
- two

```sh
codexline json | jq -r '.windows[0]'
```
";

    #[test]
    fn wide_or_narrow() {
        let wide = "\
A head

One two three four five.

name  what
`ab`  one two three four

- an item that goes on and on
- two

    codexline json | jq -r '.windows[0]'
";
        assert_eq!(lay_out(SAMPLE, 200), wide);
        let narrow = "\
A head

One two
three four
five.

name
    what
`ab`
    one
    two
    three
    four

- an item
  that
  goes on
  and on
- two

    codexline json | jq -r '.windows[0]'
";
        assert_eq!(lay_out(SAMPLE, 10), narrow);
    }

    /// No line is wider than the terminal but those of code, and no word is lost or broken.
    #[test]
    fn every_topic_fits() {
        for topic in &TOPICS {
            for columns in [40, 80] {
                let text = lay_out(topic.text, columns);
                let wide: Vec<_> = text.lines().filter(|line| width(line) > columns).collect();
                assert!(wide.iter().all(|line| line.starts_with("    ")), "{wide:?}");
                let is_code = |line: &&&str| topic.text.contains(line.trim_start());
                assert_eq!(wide.iter().filter(is_code).count(), wide.len(), "{wide:?}");
                let words = |text: &str| {
                    let text = text.replace([';', '|', '-', '#'], " ");
                    text.split_whitespace().map(String::from).collect::<Vec<_>>()
                };
                let kept = |line: &&str| !line.starts_with("```") && !line.starts_with("<!--");
                let whole = topic.text.lines().filter(kept).collect::<Vec<_>>().join("\n");
                assert_eq!(words(&text).concat(), words(&whole).concat(), "{}", topic.name);
                // Only what is longer than a line is broken, such as the name of a test.
                let (whole, mut words) = (words(&whole), words(&text).into_iter());
                for word in whole.iter().filter(|word| width(word) <= columns - INDENT) {
                    assert!(words.any(|found| found == *word), "{word} in {}", topic.name);
                }
            }
        }
    }
}
