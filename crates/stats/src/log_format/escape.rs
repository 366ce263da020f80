//! Text that somebody else chose, made safe for one line of a log.

use alloc::vec::Vec;

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
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
        out.extend_from_slice(&[b'\\', b'x', DIGITS[high], DIGITS[low]]);
    }
}
