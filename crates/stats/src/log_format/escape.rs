//! Text that somebody else chose, made safe for one line of a log.

use alloc::vec::Vec;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` with everything escaped as `\xNN` that could end a line, close a quotation, steer a terminal or
/// be taken for an escape: control characters, the quotation mark, the backslash, bytes that are not UTF-8, the
/// separators that Unicode counts as line ends, and marks that reverse the reading direction.
pub fn push_escaped(text: &[u8], out: &mut Vec<u8>) {
    if text.iter().all(|&byte| is_plain(byte)) {
        out.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            if is_safe(character) {
                out.extend_from_slice(bytes);
            } else {
                push_hex(bytes, out);
            }
        }
        push_hex(chunk.invalid(), out);
    }
}

/// Appends `text` as the inside of a JSON string (RFC 8259). Bytes that are not UTF-8 become U+FFFD; what could steer
/// a terminal is escaped beyond what the format asks for.
pub fn push_json(text: &[u8], out: &mut Vec<u8>) {
    if text.iter().all(|&byte| is_plain(byte)) {
        out.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                _ if is_safe(character) => {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                // All that is not safe lies in the first plane, so it needs no surrogates.
                _ => push_unicode(u32::from(character), out),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn push_unicode(code: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(DIGITS[(code >> shift & 15) as usize]);
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn is_safe(character: char) -> bool {
    match character {
        '"' | '\\' => false,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => false,
        _ => !character.is_control(),
    }
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        out.extend_from_slice(&[b'\\', b'x', DIGITS[high], DIGITS[low]]);
    }
}
