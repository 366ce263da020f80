//! Classes of bytes and how far each class reaches, eight bytes at a step where it pays.

const TOKEN: [bool; 256] = token_table();

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let extra = matches!(
            byte as u8,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        table[byte] = extra || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
}

/// Whether `name` is a token (RFC 9110, 5.6.2), such as the names of fields are.
#[must_use]
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && token_len(name) == name.len()
}

/// May stand in a token.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// May stand in a field value: visible, obsolete text, space or tab (RFC 9110, 5.5).
pub(crate) fn is_value(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f || byte == b'\t'
}

/// How many bytes from the start are of a token.
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| !is_token_byte(byte)).unwrap_or(bytes.len())
}

/// How many bytes from the start are of a field value.
pub(crate) fn value_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += until_control::<0x20>(&bytes[at..]);
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
}

/// How many bytes from the start are of a request target: neither control characters nor spaces.
pub(crate) fn target_len(bytes: &[u8]) -> usize {
    until_control::<0x21>(bytes)
}

/// Position of the first byte below `LOW` or equal to DEL.
fn until_control<const LOW: u8>(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES * 128;
    let mut at = 0;
    while let Some((word, _)) = bytes[at..].split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        // The lowest top bit set marks the first byte of the class; higher ones may be carried into by it.
        let low = word.wrapping_sub(ONES * LOW as u64) & !word;
        let del = word ^ (ONES * 0x7f);
        let del = del.wrapping_sub(ONES) & !del;
        let found = (low | del) & TOPS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + rest.iter().position(|&byte| byte < LOW || byte == 0x7f).unwrap_or(rest.len())
}

/// Without the spaces and tabs around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_are_tokens() {
        for (name, expected) in
            [(&b"X-A_b"[..], true), (b"", false), (b"X A", false), (b"X:", false), (b"X\n", false)]
        {
            assert_eq!(is_token(name), expected);
        }
    }
}
