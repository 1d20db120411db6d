//! Puts a block into the text of a configuration file, between two marker lines, and takes it out
//! again. Taking out what was put in gives the text back to the byte.
//!
//! The text is bytes, for a configuration file need not be UTF-8. Its line ends, `\n` or `\r\n`,
//! are kept. A text whose last line has no line end still has none afterwards: that is how
//! [`take_out`] knows whether a line end was added in front of the block.

use std::ops::Range;

/// How a file marks a comment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comment {
    open: &'static str,
    close: &'static str,
}

impl Comment {
    pub(super) fn open(self) -> &'static str {
        self.open
    }
}

pub(super) const HASH: Comment = Comment { open: "# ", close: "" };
pub(super) const SEMICOLON: Comment = Comment { open: "; ", close: "" };
pub(super) const CSS: Comment = Comment { open: "/* ", close: " */" };

/// In front of a line that a block replaces.
const BEFORE: &str = "before: ";

/// A block begins and does not end: somebody has edited the marker lines. The line, from 1.
#[derive(Debug, PartialEq)]
pub(super) struct Unfinished {
    pub line: usize,
}

/// The marker lines of one block.
pub(super) struct Markers {
    comment: Comment,
    begin: String,
    end: String,
}

impl Markers {
    pub(super) fn new(name: &str, comment: Comment) -> Markers {
        let Comment { open, close } = comment;
        Markers {
            comment,
            begin: format!("{open}>>> codexline {name} >>>{close}"),
            end: format!("{open}<<< codexline {name} <<<{close}"),
        }
    }

    /// The text with `body` between the markers: in the place of the block that is there, else at
    /// the end. `body` ends with `\n`.
    pub(super) fn put(&self, text: &[u8], body: &str) -> Result<Vec<u8>, Unfinished> {
        if let Some(block) = self.find(text)? {
            let new = self.block(body, block.line_end(text));
            let end = &text[block.end_line.end..block.whole.end];
            return Ok([&text[..block.whole.start], &new, end, &text[block.whole.end..]].concat());
        }
        let line_end = line_end_of(text);
        let block = self.block(body, line_end);
        Ok(if text.is_empty() || text.ends_with(b"\n") {
            [text, &block, line_end].concat()
        } else {
            [text, line_end, &block].concat()
        })
    }

    /// The text in which `new` has the place of a line. The block keeps the old one as a comment.
    pub(super) fn put_line(&self, text: &[u8], line: Range<usize>, new: &[u8]) -> Vec<u8> {
        let (old, end) = split_line_end(&text[line.clone()]);
        let line_end = if end.is_empty() { line_end_of(text) } else { end };
        let block = [
            self.begin.as_bytes(),
            line_end,
            self.comment.open.as_bytes(),
            BEFORE.as_bytes(),
            old,
            self.comment.close.as_bytes(),
            line_end,
            new,
            line_end,
            self.end.as_bytes(),
            end,
        ];
        [&text[..line.start], &block.concat(), &text[line.end..]].concat()
    }

    /// The text without the block.
    pub(super) fn take_out(&self, text: &[u8]) -> Result<Vec<u8>, Unfinished> {
        let Some(block) = self.find(text)? else { return Ok(text.to_vec()) };
        let (before, rest) = (&text[..block.whole.start], &text[block.whole.end..]);
        if let Some(old) = self.replaced_line(&text[block.inside.clone()], block.line_end(text)) {
            let end = &text[block.end_line.end..block.whole.end];
            return Ok([before, old, end, rest].concat());
        }
        // A block without a line end behind it got one in front of it.
        let has_line_end = block.end_line.end < block.whole.end;
        let before = match has_line_end {
            true => before,
            false => before.strip_suffix(block.line_end(text)).unwrap_or(before),
        };
        Ok([before, rest].concat())
    }

    fn replaced_line<'a>(&self, inside: &'a [u8], line_end: &[u8]) -> Option<&'a [u8]> {
        let first = inside[lines(inside).next()?].strip_suffix(line_end)?;
        let old = first.strip_prefix(self.comment.open.as_bytes())?;
        old.strip_prefix(BEFORE.as_bytes())?.strip_suffix(self.comment.close.as_bytes())
    }

    /// The block without a line end behind it.
    fn block(&self, body: &str, line_end: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in std::iter::once(self.begin.as_str()).chain(body.lines()) {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(line_end);
        }
        out.extend_from_slice(self.end.as_bytes());
        out
    }

    fn find(&self, text: &[u8]) -> Result<Option<Block>, Unfinished> {
        let is = |line: &Range<usize>, marker: &str| {
            text[line.clone()].trim_ascii() == marker.as_bytes()
        };
        let mut lines = lines(text).enumerate();
        let Some((number, begin)) = lines.find(|(_, line)| is(line, &self.begin)) else {
            return Ok(None);
        };
        let Some((_, end)) = lines.find(|(_, line)| is(line, &self.end)) else {
            return Err(Unfinished { line: number + 1 });
        };
        let (end_line, _) = split_line_end(&text[end.clone()]);
        Ok(Some(Block {
            inside: begin.end..end.start,
            end_line: end.start..end.start + end_line.len(),
            whole: begin.start..end.end,
            begin,
        }))
    }
}

/// Where a block stands in a text.
struct Block {
    /// The first marker line, with its line end.
    begin: Range<usize>,
    inside: Range<usize>,
    /// The last marker line, without its line end.
    end_line: Range<usize>,
    whole: Range<usize>,
}

impl Block {
    fn line_end<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        split_line_end(&text[self.begin.clone()]).1
    }
}

/// The lines of a text, each with its line end.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let line = start..start + length;
        start = line.end;
        Some(line)
    })
}

/// A line, and its line end.
fn split_line_end(line: &[u8]) -> (&[u8], &[u8]) {
    let length = match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    };
    line.split_at(line.len() - length)
}

/// The line end of a text: that of its first line.
fn line_end_of(text: &[u8]) -> &'static [u8] {
    match lines(text).next().map(|line| split_line_end(&text[line]).1) {
        Some(b"\r\n") => b"\r\n",
        _ => b"\n",
    }
}

/// What becomes of polybar's list of modules when one is added.
#[derive(Debug, PartialEq)]
pub(super) enum Modules {
    /// The line with the list, and what it becomes.
    Line(Range<usize>, Vec<u8>),
    /// The module is in a list already.
    Listed,
    /// There is no bar with a list, or there are several.
    Unclear,
}

/// Finds the list of modules that polybar's only bar shows on the right, else in the middle, else
/// on the left, and adds a module to it.
pub(super) fn add_module(text: &[u8], module: &str) -> Modules {
    let mut in_bar = false;
    let mut lists: Vec<(usize, Range<usize>)> = Vec::new();
    for line in lines(text) {
        let trimmed = text[line.clone()].trim_ascii();
        if trimmed.starts_with(b"[") {
            in_bar = trimmed.starts_with(b"[bar/");
        }
        let Some(equals) = memchr::memchr(b'=', trimmed).filter(|_| in_bar) else { continue };
        let key = trimmed[..equals].trim_ascii();
        let rank = ["modules-right", "modules-center", "modules-left"]
            .iter()
            .position(|name| name.as_bytes() == key);
        let Some(rank) = rank else { continue };
        let mut words = trimmed[equals + 1..].split(u8::is_ascii_whitespace);
        if words.any(|word| word == module.as_bytes()) {
            return Modules::Listed;
        }
        lists.push((rank, line));
    }
    lists.sort_by_key(|(rank, _)| *rank);
    match lists.as_slice() {
        [] => Modules::Unclear,
        [first, second, ..] if first.0 == second.0 => Modules::Unclear,
        [(_, line), ..] => {
            let (old, _) = split_line_end(&text[line.clone()]);
            let new = [old.trim_ascii_end(), b" ", module.as_bytes()].concat();
            Modules::Line(line.clone(), new)
        }
    }
}

/// What a change takes away and adds, as lines with `-` and `+`, under the number of the first.
pub(super) fn difference(before: &[u8], after: &[u8]) -> String {
    let of = |text: &[u8]| -> Vec<String> {
        lines(text).map(|line| String::from_utf8_lossy(&text[line]).into_owned()).collect()
    };
    let (before, after) = (of(before), of(after));
    let same = before.iter().zip(&after).take_while(|(left, right)| left == right).count();
    let (left, right) = (&before[same..], &after[same..]);
    let both = left.iter().rev().zip(right.iter().rev());
    let tail = both.take_while(|(left, right)| left == right).count();
    let mut out = format!("@@ line {} @@\n", same + 1);
    let changed = left[..left.len() - tail]
        .iter()
        .map(|line| ('-', line))
        .chain(right[..right.len() - tail].iter().map(|line| ('+', line)));
    for (sign, line) in changed {
        out.push(sign);
        out.push_str(line.trim_end_matches(['\n', '\r']));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &str = "one\ntwo\n";
    const COMMENTS: [Comment; 3] = [HASH, SEMICOLON, CSS];

    fn put(text: &str) -> String {
        let markers = Markers::new("zsh", HASH);
        String::from_utf8(markers.put(text.as_bytes(), BODY).unwrap()).unwrap()
    }

    #[test]
    fn a_block_stands_at_the_end_with_the_line_ends_of_the_file() {
        let block = "# >>> codexline zsh >>>\none\ntwo\n# <<< codexline zsh <<<";
        assert_eq!(put(""), format!("{block}\n"));
        assert_eq!(put("a\n"), format!("a\n{block}\n"));
        assert_eq!(put("a\nb"), format!("a\nb\n{block}"));
        let with_cr = block.replace('\n', "\r\n");
        assert_eq!(put("a\r\nb"), format!("a\r\nb\r\n{with_cr}"));
    }

    #[test]
    fn a_second_time_changes_nothing_and_a_new_body_takes_the_old_ones_place() {
        for text in ["", "a", "a\n", "a\r\nb\r\n", "a\r\nb"] {
            let once = put(text);
            assert_eq!(put(&once), once);
            let markers = Markers::new("zsh", HASH);
            let more = format!("{once}\nmore");
            let changed = markers.put(more.as_bytes(), "three\n").unwrap();
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.contains("three") && !changed.contains("two"), "{changed:?}");
            assert!(changed.starts_with(text) && changed.ends_with("\nmore"), "{changed:?}");
            assert_eq!(markers.put(changed.as_bytes(), BODY).unwrap(), more.as_bytes());
        }
    }

    #[test]
    fn blocks_of_other_names_and_broken_ones_are_left_alone() {
        let both = Markers::new("bash", HASH).put(put("a").as_bytes(), BODY).unwrap();
        let left = Markers::new("zsh", HASH).take_out(&both).unwrap();
        assert_eq!(left, Markers::new("bash", HASH).put(b"a\n", BODY).unwrap().trim_ascii_end());
        let broken = b"a\n# >>> codexline zsh >>>\nmine\n";
        let markers = Markers::new("zsh", HASH);
        assert_eq!(markers.put(broken, BODY), Err(Unfinished { line: 2 }));
        assert_eq!(markers.take_out(broken), Err(Unfinished { line: 2 }));
    }

    #[test]
    fn polybar_s_list_of_modules_gets_one_more() {
        let check = |text: &str, expected: Option<&str>| match add_module(text.as_bytes(), "m") {
            Modules::Line(line, new) => {
                let markers = Markers::new("bar", SEMICOLON);
                let whole = markers.put_line(text.as_bytes(), line, &new);
                assert_eq!(String::from_utf8(new).unwrap(), expected.unwrap(), "{text}");
                assert_eq!(markers.take_out(&whole).unwrap(), text.as_bytes(), "{text}");
            }
            other => assert_eq!((other, expected), (Modules::Unclear, None), "{text}"),
        };
        check("[bar/a]\nmodules-left = x\nmodules-right = a b \nh = 1\n", {
            Some("modules-right = a b m")
        });
        check("[bar/a]\r\nmodules-left =\r\n", Some("modules-left = m"));
        check("[bar/a]\nmodules-center=c", Some("modules-center=c m"));
        check("[bar/a]\nmodules-right = a\n[bar/b]\nmodules-right = b\n", None);
        check("[module/a]\nmodules-right = a\n", None);
        check("", None);
        let listed = b"[bar/a]\nmodules-left = m\nmodules-right = b\n";
        assert_eq!(add_module(listed, "m"), Modules::Listed);
    }

    #[test]
    fn the_difference_is_the_lines_that_change() {
        let shown = difference(b"a\nb", &Markers::new("x", HASH).put(b"a\nb", "c\n").unwrap());
        assert_eq!(
            shown,
            "@@ line 2 @@\n-b\n+b\n+# >>> codexline x >>>\n+c\n+# <<< codexline x <<<\n"
        );
        assert_eq!(difference(b"a\nb\n", b"a\n"), "@@ line 2 @@\n-b\n");
    }

    /// Files as people have them, and what makes editing them hard.
    fn files() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"[bar/x]\n".to_vec()),
            Just(b"modules-right = a\tb  ".to_vec()),
            Just(b"modules-left=".to_vec()),
            Just(b"# <<< codexline zsh <<<\n".to_vec()),
            Just(b"; before: x\n".to_vec()),
            Just(b"PS1='$ '".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn taking_out_what_was_put_in_gives_any_file_back(
            text in files(),
            body in "([a-z# ]{0,8}\n){1,3}",
            second in "([a-z# ]{0,8}\n){1,3}",
        ) {
            for comment in COMMENTS {
                let markers = Markers::new("zsh", comment);
                let once = markers.put(&text, &body).unwrap();
                prop_assert_eq!(&markers.take_out(&once).unwrap(), &text);
                prop_assert_eq!(&markers.put(&once, &body).unwrap(), &once);
                let changed = markers.put(&once, &second).unwrap();
                prop_assert_eq!(&markers.take_out(&changed).unwrap(), &text);
            }
            if let Modules::Line(line, new) = add_module(&text, "codexline") {
                let markers = Markers::new("polybar-bar", SEMICOLON);
                let once = markers.put_line(&text, line, &new);
                prop_assert_eq!(&markers.take_out(&once).unwrap(), &text);
                prop_assert_eq!(add_module(&once, "codexline"), Modules::Listed);
            }
        }
    }
}
