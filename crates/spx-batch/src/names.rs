//! File names of sources: every id has one, no two share one, none leaves its directory.
//!
//! - ASCII letters, digits, `-`, `_`, `+` and `.` stand for themselves, but letters in lower case;
//!   any other byte of the UTF-8 text is `%` and two hexadecimal digits. A `.` in front, and the
//!   first letter of a name that Windows reserves for a device (`con`, `nul.x`), are written that
//!   way too.
//! - Where letters were upper case, `~` and a hexadecimal number follow, whose bit k tells it of
//!   letter k: files must not meet on file systems that take `a` and `A` for the same.
//! - What would be longer than [`LONGEST`] bytes is cut, and `~~` and the SHA-256 of the id follow.
//!
//! The first two can be undone, so that they are injective; the third is as injective as SHA-256.

use std::fmt::Write as _;

use crate::hash;

/// The longest name [bytes], without the extension of a file. Some file systems allow 143.
const LONGEST: usize = 130;

/// Names that Windows keeps for devices, with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The name of a source's file, without extension: ASCII, never empty, never beginning with a dot.
pub fn file_stem(target_id: &str) -> String {
    let mut stem = String::with_capacity(target_id.len() + 4);
    let device = is_device(target_id);
    for (at, byte) in target_id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.');
        if plain && !(at == 0 && (byte == b'.' || device)) {
            stem.push(char::from(byte.to_ascii_lowercase()));
        } else {
            escape(&mut stem, byte);
        }
    }
    if let Some(mask) = upper_case(target_id) {
        stem.push('~');
        stem.push_str(&mask);
    }
    if stem.is_empty() {
        // The only name that is no more than the sign of an escape.
        stem.push('%');
    }
    if stem.len() > LONGEST {
        let digest = hash::sha256(target_id.as_bytes());
        let mut end = LONGEST - digest.len() - 2;
        // Not within an escape.
        while stem.as_bytes()[end - 2..end].contains(&b'%') {
            end -= 1;
        }
        stem.truncate(end);
        stem.push_str("~~");
        stem.push_str(&digest);
    }
    stem
}

fn escape(stem: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    write!(stem, "%{byte:02x}").ok();
}

/// Which of the ASCII letters are upper case, bit k for letter k, in hexadecimal digits, the lowest
/// first; `None` where none is.
fn upper_case(text: &str) -> Option<String> {
    let mut digits: Vec<u8> = Vec::new();
    for (k, byte) in text.bytes().filter(u8::is_ascii_alphabetic).enumerate() {
        if k % 4 == 0 {
            digits.push(0);
        }
        if let Some(digit) = digits.last_mut() {
            *digit |= u8::from(byte.is_ascii_uppercase()) << (k % 4);
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let text: String = digits.iter().map(|digit| format!("{digit:x}")).collect();
    (!text.is_empty()).then_some(text)
}

/// True for `con`, `NUL`, `com1.txt` and their like.
fn is_device(text: &str) -> bool {
    let base = text.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let port = |name: &str| {
        base.strip_prefix(name).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    DEVICES.contains(&base.as_str()) || port("com") || port("lpt")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_known() {
        for (id, stem) in [
            ("39633458707826492", "39633458707826492"),
            ("00012", "00012"),
            ("ngc-4395_a+b.1", "ngc-4395_a+b.1"),
            ("NGC 4395", "ngc%204395~7"),
            ("aB", "ab~2"),
            ("../../etc/passwd", "%2e.%2f..%2fetc%2fpasswd"),
            ("a/b", "a%2fb"),
            ("a\\b", "a%5cb"),
            ("CON", "%43on~7"),
            ("con", "%63on"),
            ("nul.x", "%6eul.x"),
            ("com1", "%63om1"),
            ("com12", "com12"),
            ("~7", "%7e7"),
            ("%", "%25"),
            ("", "%"),
            ("🚀", "%f0%9f%9a%80"),
            ("abcdE", "abcde~01"),
        ] {
            assert_eq!(file_stem(id), stem, "{id}");
        }
    }

    #[test]
    fn long_ids_have_short_names_of_their_own() {
        let ids: Vec<String> =
            (0..40).map(|n| format!("{}{n}", "é".repeat(150))).chain(["x".repeat(300)]).collect();
        let names: HashSet<String> = ids.iter().map(|id| file_stem(id)).collect();
        assert_eq!(names.len(), ids.len());
        assert!(names.iter().all(|name| name.len() <= LONGEST), "{names:?}");
    }

    /// What [`file_stem`] promises to be possible.
    fn undo(stem: &str) -> Vec<u8> {
        let (text, mask) = stem.split_once('~').unwrap_or((stem, ""));
        let mut bytes = Vec::new();
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            });
        }
        let mask: Vec<u32> = mask.chars().map(|c| c.to_digit(16).unwrap()).collect();
        for (k, byte) in bytes.iter_mut().filter(|byte| byte.is_ascii_alphabetic()).enumerate() {
            if mask.get(k / 4).is_some_and(|digit| digit >> (k % 4) & 1 == 1) {
                byte.make_ascii_uppercase();
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn names_are_safe_and_can_be_undone(id in "\\PC{1,30}") {
            let stem = file_stem(&id);
            prop_assert!(stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_+.%~".contains(&b)));
            prop_assert!(!stem.starts_with('.') && !is_device(&stem));
            if !stem.contains("~~") {
                prop_assert_eq!(undo(&stem), id.as_bytes());
            }
        }

        #[test]
        fn ids_that_differ_in_case_alone_have_names_that_differ_without_it(id in "[a-cA-C%~ .]{1,12}") {
            let other = id.to_ascii_lowercase();
            prop_assert_eq!(file_stem(&id) == file_stem(&other), id == other);
        }
    }
}
