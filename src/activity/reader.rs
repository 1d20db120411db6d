//! Splits a file of any size into lines, in bounded memory. A line that is not counted is skipped
//! without being kept, however long it is.

use super::prefilter::{RecordKind, WINDOW, sniff};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;

/// How many bytes are read at once. This is enough for full speed, and fits into the processor's
/// cache.
pub const CHUNK: usize = 256 * 1024;

/// Longer lines are not parsed. The longest line that is counted, `session_meta`, has tens of
/// kilobytes.
pub const LONGEST_LINE: usize = 4 * 1024 * 1024;

/// Called with the number of bytes just read. Returns whether to continue.
pub type GoesOn<'a> = &'a dyn Fn(u64) -> bool;

/// A file that reports what is read from it. It ends early when `advance` returns `false`.
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

/// A buffer that is used again for the next file.
#[derive(Default)]
pub struct Buffer(Vec<u8>);

/// Calls `line` with each complete line that may be counted, without the line feed, until `line`
/// stops it. Returns the number of bytes up to the end of the last complete line, where the next
/// reading begins. If the reading failed, the error is returned beside it.
pub fn read_lines(
    source: &mut impl Read,
    buffer: &mut Buffer,
    line: &mut dyn FnMut(RecordKind, &[u8]) -> ControlFlow<()>,
) -> (u64, io::Result<()>) {
    let bytes = &mut buffer.0;
    if bytes.is_empty() {
        bytes.resize(CHUNK, 0);
    }
    // `bytes[..end]` is filled and starts with an incomplete line. There is no line feed before
    // `searched`.
    let (mut end, mut searched) = (0, 0);
    // `done` counts the bytes of complete lines. `stepped_over` counts those bytes of the current
    // line that are no longer in the buffer.
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
        // A line that is certainly not counted need not be kept.
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
    // After a long line, the buffer goes back to its usual size.
    bytes.truncate(CHUNK);
    bytes.shrink_to_fit();
    (done, result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader that returns at most the given number of bytes at once.
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
