//! The members of a JSON object, whatever is wrong beside those that are wanted: numbers that fit
//! no type, text that is not UTF-8, any depth, anything behind the end.
//!
//! A strict decoder refuses the whole. Here that would lose a refresh token that cannot be had
//! again.

/// A name and its value, both as they stand in the text.
pub type Member<'a> = (&'a [u8], &'a [u8]);

/// The members of the object that `text` begins with; `None` if it is no object, or not a whole
/// one. Never fails otherwise.
pub fn object(text: &[u8]) -> Option<Vec<Member<'_>>> {
    let mut rest = skip_blanks(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    rest = skip_blanks(rest.strip_prefix(b"{")?);
    let mut members = Vec::new();
    loop {
        match rest.first()? {
            b'}' => return Some(members),
            b',' => rest = skip_blanks(&rest[1..]),
            b'"' => {
                let (name, after) = rest.split_at(string_end(rest)?);
                let value = skip_blanks(skip_blanks(after).strip_prefix(b":")?);
                let end = value_end(value)?;
                members.push((name, value[..end].trim_ascii_end()));
                rest = skip_blanks(&value[end..]);
            }
            _ => return None,
        }
    }
}

/// The value of a member; the last one if the name comes twice, as decoders have it.
pub fn find<'a>(members: &[Member<'a>], name: &str) -> Option<&'a [u8]> {
    let is_named = |(found, _): &&Member| {
        found.strip_prefix(b"\"").and_then(|found| found.strip_suffix(b"\""))
            == Some(name.as_bytes())
    };
    members.iter().rev().find(is_named).map(|(_, value)| *value)
}

/// The text of a value that is a string.
pub fn text(value: &[u8]) -> Option<String> {
    serde_json::from_slice(value).ok()
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// Where the string that `text` begins with has its end, the closing quote included.
fn string_end(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    for (index, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// Where the value that `text` begins with has its end.
fn value_end(text: &[u8]) -> Option<usize> {
    let (mut index, mut depth) = (0, 0_usize);
    loop {
        match text.get(index)? {
            b'"' => index += string_end(&text[index..])? - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(index),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_as_they_stand() {
        let text = br#" {"a" : "x\"}" , "b":{"a":[1,"]"]},"c":1e999 ,"a":2} rest"#;
        let members = object(text).unwrap();
        assert_eq!(find(&members, "a"), Some(&b"2"[..]));
        assert_eq!(find(&members, "b"), Some(&br#"{"a":[1,"]"]}"#[..]));
        assert_eq!(find(&members, "c"), Some(&b"1e999"[..]));
        assert_eq!(members[0].1, br#""x\"}""#);
        assert_eq!(find(&members, "d"), None);
    }

    #[test]
    fn only_a_whole_object_is_one() {
        let is_whole = |text: &[u8]| object(text).is_some();
        let text = br#"{"a":"b","c":{"d":[]}}"#;
        for end in 0..text.len() {
            assert!(!is_whole(&text[..end]), "{end}");
        }
        assert!(is_whole(text) && is_whole(b"{}") && is_whole(b"\xef\xbb\xbf{ }x"));
        for other in [&b"[]"[..], b"\"a\"", b"{a:1}", b"{\"a\" 1}", b"<html>", b"null"] {
            assert!(!is_whole(other), "{}", String::from_utf8_lossy(other));
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_strict_decoder_reads_is_read_alike(
            values in proptest::collection::btree_map("[a-z_\"\\\\]{1,6}", ".*", 0..5),
        ) {
            let whole = serde_json::json!(values).to_string();
            let members = object(whole.as_bytes()).unwrap();
            for (name, value) in &values {
                let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                if is_plain {
                    let found = find(&members, name).and_then(text);
                    proptest::prop_assert_eq!(found.as_ref(), Some(value));
                }
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = object(&[&b"{\"a\":"[..], &bytes].concat());
        }
    }
}
