//! Decimal numbers into bytes, without the machinery of formatting.

use alloc::vec::Vec;

/// Digits of the largest number.
const DIGITS: usize = 20;

/// Appends a number.
pub(crate) fn push_number(value: u64, out: &mut Vec<u8>) {
    push_padded(value, 1, b'0', out);
}

/// Appends a number with a sign if it is negative.
pub(crate) fn push_signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    push_number(value.unsigned_abs(), out);
}

/// Appends a number, filled up to `width` digits from the left with `fill`.
pub(crate) fn push_padded(mut value: u64, width: usize, fill: u8, out: &mut Vec<u8>) {
    let mut digits = [fill; DIGITS];
    let mut at = DIGITS;
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at.min(DIGITS - width.min(DIGITS))..]);
}
