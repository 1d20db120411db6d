//! An HTTP answer, read loosely: for one that cannot be asked for a second time.
//!
//! What ureq refuses is read here all the same: a length that is too large, a last chunk that never
//! comes, a connection that stays open, hundreds of headers, gzip that nobody asked for. As soon as
//! the body is what is wanted, it is enough.

/// The most bytes of an answer, before and after decompression.
pub const MOST: usize = 2 * 1024 * 1024;
/// An answer in HTTP/1.1 begins so.
const VERSION: &[u8] = b"HTTP/";

/// What has come so far.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Whether nothing more is to be waited for.
    pub is_complete: bool,
    headers: Vec<(String, String)>,
}

impl RawAnswer {
    /// Reads what has come. `is_ended`: nothing more will. `is_enough`: whether a body is what is
    /// wanted, whatever the header says of its end. `None` if the header is not there yet, or if it
    /// is not HTTP.
    pub fn read(bytes: &[u8], is_ended: bool, is_enough: fn(&[u8]) -> bool) -> Option<RawAnswer> {
        let mut unread = bytes;
        let (status, head, rest) = loop {
            let (head, rest) = split_head(unread)?;
            let status: u16 = head.lines().next()?.split(' ').nth(1)?.parse().ok()?;
            if !(100..200).contains(&status) {
                break (status, head, rest);
            }
            // The real one comes after it.
            unread = rest;
        };
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_string()))
        };
        let headers = head.lines().skip(1).filter_map(header).collect();
        let mut answer = RawAnswer { status, body: Vec::new(), is_complete: false, headers };
        let is_chunked = answer
            .header("transfer-encoding")
            .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
        let length = answer.header("content-length").and_then(|value| value.parse::<usize>().ok());
        let (body, has_end) = match (is_chunked, length) {
            (true, _) => unchunk(rest),
            (false, Some(length)) => (rest.to_vec(), rest.len() >= length),
            (false, None) => (rest.to_vec(), is_ended),
        };
        answer.body = gunzip(&body).unwrap_or(body);
        let has_no_body = matches!(status, 204 | 304);
        answer.is_complete = has_end || has_no_body || is_enough(&answer.body);
        Some(answer)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// The header and what follows it. Bytes that are not UTF-8 are replaced: they stand in no header
/// that is looked at.
fn split_head(bytes: &[u8]) -> Option<(String, &[u8])> {
    if !bytes.starts_with(VERSION) {
        return None;
    }
    let mut lines = memchr::memchr_iter(b'\n', bytes);
    let (end, rest) = lines.find_map(|end| {
        let behind = &bytes[end + 1..];
        Some((end, behind.strip_prefix(b"\n").or(behind.strip_prefix(b"\r\n"))?))
    })?;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), rest))
}

/// The content of chunks, as far as they have come, and whether the last one has.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = String::from_utf8_lossy(&rest[..end]);
        let size = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        if size == 0 {
            return (body, true);
        }
        let content = &rest[end + 1..];
        body.extend_from_slice(&content[..size.min(content.len())]);
        let Some(after) = content.get(size..) else { break };
        rest = after.strip_prefix(b"\r\n").or(after.strip_prefix(b"\n")).unwrap_or(after);
    }
    (body, false)
}

/// RFC 1952. `None` if it is not gzip, or not all of it.
fn gunzip(body: &[u8]) -> Option<Vec<u8>> {
    let [0x1f, 0x8b, 8, flags, ..] = body else { return None };
    let mut rest = body.get(10..)?;
    let skip_text = |rest: &mut &[u8]| {
        let end = memchr::memchr(0, rest)?;
        *rest = &rest[end + 1..];
        Some(())
    };
    if flags & 4 != 0 {
        let length = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
        rest = rest.get(2 + length..)?;
    }
    if flags & 8 != 0 {
        skip_text(&mut rest)?;
    }
    if flags & 16 != 0 {
        skip_text(&mut rest)?;
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    miniz_oxide::inflate::decompress_to_vec_with_limit(rest, MOST).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"a\":1}";

    fn is_enough(body: &[u8]) -> bool {
        body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).starts_with(BODY)
    }

    fn read(head: &str, body: &[u8], is_ended: bool) -> Option<RawAnswer> {
        let bytes = [head.as_bytes(), body].concat();
        RawAnswer::read(&bytes, is_ended, is_enough)
    }

    #[test]
    fn a_body_that_is_enough_is_complete_whatever_the_header_says() {
        let many: String = (0..300).map(|number| format!("x-{number}: y\r\n")).collect();
        let long = format!("x: {}\r\n", "y".repeat(200_000));
        let chunked = [b"3\r\n", &BODY[..3], b"\r\n4;x=y\r\n", &BODY[3..], b"\r\n"].concat();
        for (head, body) in [
            ("Content-Length: 7\r\n", BODY),
            ("Content-Length: 999\r\n", BODY),
            ("", BODY),
            (many.as_str(), BODY),
            (long.as_str(), BODY),
            ("Transfer-Encoding: chunked\r\n", &chunked),
            ("Content-Length: 999\r\n", &[b"\xef\xbb\xbf", BODY].concat()),
        ] {
            let answer = read(&format!("HTTP/1.1 200 OK\r\n{head}\r\n"), body, false).unwrap();
            let shown = &head[..head.len().min(40)];
            assert!(answer.is_complete && answer.status == 200, "{shown}");
            assert!(is_enough(&answer.body), "{shown}");
        }
        let half = read("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", &BODY[..6], false);
        assert!(!half.unwrap().is_complete);
    }

    #[test]
    fn the_end_is_known_without_that_too() {
        let complete = |head: &str, body: &[u8], is_ended| {
            read(&format!("HTTP/1.1 503 X\r\n{head}\r\n"), body, is_ended).unwrap().is_complete
        };
        assert!(!complete("", b"<html>", false) && complete("", b"<html>", true));
        assert!(complete("Content-Length: 6\r\n", b"<html>", false));
        assert!(!complete("Content-Length: 7\r\n", b"<html>", true), "cut");
        assert!(complete("Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", false));
        assert!(!complete("Transfer-Encoding: chunked\r\n", b"9\r\n<htm", true), "cut");
        assert!(read("HTTP/1.1 204 X\r\n\r\n", b"", false).unwrap().is_complete);
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for text in ["", "HTTP/1.1 200 OK\r\n", "made-up\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert!(read(text, b"", true).is_none(), "{text}");
        }
        let hint = "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nDate: now\r\n\r\n";
        let answer = read(hint, BODY, false).unwrap();
        assert_eq!((answer.status, answer.header("date")), (200, Some("now")));
    }

    #[test]
    fn whatever_comes_before_the_real_one_is_passed_over() {
        // As many as fit: reading them takes no more of the stack.
        let before = "HTTP/1.1 100 \n\n".repeat(MOST / 16);
        let bytes = [before.as_bytes(), b"HTTP/1.1 200 OK\r\n\r\n", BODY].concat();
        let answer = RawAnswer::read(&bytes, false, is_enough).unwrap();
        assert_eq!((answer.status, answer.body), (200, BODY.to_vec()));
        assert!(RawAnswer::read(before.as_bytes(), true, is_enough).is_none());
    }

    #[test]
    fn gzip_is_undone() {
        let packed = miniz_oxide::deflate::compress_to_vec(BODY, 6);
        let head = [0x1f, 0x8b, 8, 8 + 16 + 4 + 2, 0, 0, 0, 0, 0, 3];
        let extra = [1, 0, 9, b'n', 0, b'c', 0, 7, 7];
        let body = [&head[..], &extra, &packed].concat();
        let answer = read("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", &body, false).unwrap();
        assert_eq!((answer.body.as_slice(), answer.is_complete), (BODY, true));
        for end in 0..body.len() {
            assert!(gunzip(&body[..end]).is_none_or(|body| body == BODY), "{end}");
        }
    }

    #[test]
    fn every_part_of_a_gzip_header_is_passed_over() {
        let packed = miniz_oxide::deflate::compress_to_vec(BODY, 6);
        for flags in 0..32_u8 {
            let mut body = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
            let parts: [(u8, &[u8]); 4] =
                [(4, &[3, 0, 9, 9, 9]), (8, b"name\0"), (16, b"why\0"), (2, &[7, 7])];
            for (_, part) in parts.iter().filter(|(flag, _)| flags & flag != 0) {
                body.extend_from_slice(part);
            }
            body.extend_from_slice(&packed);
            assert_eq!(gunzip(&body).as_deref(), Some(BODY), "{flags}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(
            head in "(Transfer-Encoding: chunked\r\n|Content-Length: [0-9]{1,3}\r\n)?",
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let _ = read(&format!("HTTP/1.1 200 OK\r\n{head}\r\n"), &body, true);
            let _ = gunzip(&[&[0x1f, 0x8b, 8][..], &body].concat());
        }
    }
}
