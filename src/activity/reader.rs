//! Lines out of a file of any size, in bounded memory: a line that is not counted is stepped over
//! without being kept, however long it is.

use super::prefilter::{RecordKind, WINDOW, sniff};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// Bytes asked for at once: large enough for the page cache's speed, small enough for the
/// processor's.
pub const CHUNK: usize = 256 * 1024;

/// Longer lines are not parsed: the longest that is counted, `session_meta`, has tens of kilobytes.
pub const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Told of bytes that have been read; whether to go on.
pub type GoesOn<'a> = &'a dyn Fn(u64) -> bool;

/// A file whose reading is watched, and ends early when the watcher says so.
pub struct Watched<'a> {
    pub file: io::Take<&'a File>,
    pub advance: GoesOn<'a>,
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        Ok(if (self.advance)(count as u64) { count } else { 0 })
    }
}

/// What is reused from file to file.
#[derive(Default)]
pub struct Buffer(Vec<u8>);

/// Gives each complete line that may be counted to `line`, without its end, until that breaks off.
/// Returns the number of bytes up to the end of the last complete line, where the next reading
/// begins, and the error that ended the reading.
pub fn read_lines(
    source: &mut impl Read,
    buffer: &mut Buffer,
    line: &mut dyn FnMut(RecordKind, &[u8]) -> ControlFlow<()>,
) -> (u64, io::Result<()>) {
    let bytes = &mut buffer.0;
    if bytes.is_empty() {
        bytes.resize(CHUNK, 0);
    }
    // Of the bytes in the buffer: [..end] are filled, and begin with the line that is not complete
    // yet, in which there is no line end before `searched`.
    let (mut end, mut searched) = (0, 0);
    // Bytes of complete lines, and bytes of the present line that are not in the buffer any more.
    let (mut done, mut stepped_over) = (0_u64, 0_u64);
    let result = loop {
        let read = match source.read(&mut bytes[end..]) {
            Ok(0) => break Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => break Err(error),
        };
        end += read;
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &bytes[searched..end]) {
            let line_end = searched + length;
            if stepped_over == 0 {
                let text = &bytes[start..line_end];
                match sniff(text) {
                    RecordKind::Other => {}
                    kind => {
                        if line(kind, text).is_break() {
                            return (done, Ok(()));
                        }
                    }
                }
            }
            done += stepped_over + (line_end + 1 - start) as u64;
            stepped_over = 0;
            start = line_end + 1;
            searched = start;
        }
        let rest = end - start;
        // What is surely not counted need not be kept.
        let needless = stepped_over > 0
            || rest >= LONGEST_LINE
            || rest >= WINDOW && sniff(&bytes[start..end]) == RecordKind::Other;
        if needless {
            stepped_over += rest as u64;
            (end, searched) = (0, 0);
        } else {
            bytes.copy_within(start..end, 0);
            (end, searched) = (rest, rest);
            if end == bytes.len() {
                bytes.resize((end * 2).min(LONGEST_LINE + CHUNK), 0);
            }
        }
    };
    // One long line must not cost every later file its memory.
    bytes.truncate(CHUNK);
    bytes.shrink_to_fit();
    (done, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader that gives at most so many bytes at once.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(into.len());
            self.0.read(&mut into[..count])
        }
    }

    fn lines(text: &[u8], at_once: usize) -> (Vec<Vec<u8>>, u64) {
        let mut found = Vec::new();
        let (done, result) =
            read_lines(&mut Slow(text, at_once), &mut Buffer::default(), &mut |_, line| {
                found.push(line.to_vec());
                ControlFlow::Continue(())
            });
        result.unwrap();
        (found, done)
    }

    #[test]
    fn a_half_written_line_waits() {
        let text = b"{\"type\":\"session_meta\"}\n{\"type\":\"session_meta\"";
        let (found, done) = lines(text, 5);
        assert_eq!(found, [b"{\"type\":\"session_meta\"}"]);
        assert_eq!(done, 24);
    }

    #[test]
    fn long_lines_are_kept_only_if_they_may_count() {
        let pad = "x".repeat(2 * CHUNK);
        let other = format!("{{\"type\":\"response_item\",\"payload\":\"{pad}\"}}\n");
        let meta = format!("{{\"type\":\"session_meta\",\"payload\":\"{pad}\"}}\n");
        let endless =
            format!("{{\"type\":\"session_meta\",\"payload\":\"{}\"}}\n", "x".repeat(LONGEST_LINE));
        let text =
            [&other, &meta, &endless, &other, "{\"type\":\"session_meta\"}\n", &other].concat();
        for at_once in [1000, 70_000, usize::MAX] {
            let (found, done) = lines(text.as_bytes(), at_once);
            assert_eq!(found.len(), 2, "{at_once}");
            assert_eq!(found[0].len() + 1, meta.len());
            assert_eq!(done, text.len() as u64);
        }
    }

    #[test]
    fn breaking_off_leaves_the_line_unread() {
        let text = b"{\"type\":\"response_item\"}\n{\"type\":\"session_meta\"}\n";
        let (done, _) =
            read_lines(&mut &text[..], &mut Buffer::default(), &mut |_, _| ControlFlow::Break(()));
        assert_eq!(done, 25);
    }

    proptest! {
        #[test]
        fn the_size_of_reads_does_not_matter(
            text in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'{'), any::<u8>()],
                0..2000,
            ),
            at_once in 1_usize..300,
        ) {
            let whole = lines(&text, usize::MAX);
            let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            prop_assert_eq!(whole.1, complete as u64);
            prop_assert_eq!(lines(&text, at_once), whole);
        }
    }
}
