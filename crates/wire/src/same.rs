//! Equality of short texts, by words of eight bytes.
//!
//! The C library may compare up to 32 bytes by one masked load. That waits until what was written there lately has left the
//! processor's store buffer, and the texts of a request have just been copied. Words are forwarded from the buffer
//! (`docs/performance.md`, behind nginx).

/// Whether two texts have the same bytes.
#[must_use]
#[inline]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    let length = one.len();
    if length != other.len() {
        return false;
    }
    // The last word may overlap the one before it.
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(end), Some(other_end)) if length <= 16 => {
            end == other_end && one.first_chunk::<8>() == other.first_chunk::<8>()
        }
        (Some(end), Some(other_end)) => end == other_end && are_words_same(one, other),
        _ => match (one.last_chunk::<4>(), other.last_chunk::<4>()) {
            (Some(end), Some(other_end)) => {
                end == other_end && one.first_chunk::<4>() == other.first_chunk::<4>()
            }
            _ => one.iter().eq(other),
        },
    }
}

/// The same for the whole words at the start.
fn are_words_same(one: &[u8], other: &[u8]) -> bool {
    one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0).all(|(word, other)| word == other)
}

/// Compares with a name of small letters and dashes, eight bytes at a step. Bit 5 makes letters small and is set in
/// a dash; the other bytes that it turns into those are not of tokens.
#[inline]
pub(crate) fn is_same_token(lower: &[u8], token: &[u8]) -> bool {
    if lower.len() != token.len() {
        return false;
    }
    let (lower_words, lower_rest) = lower.as_chunks::<8>();
    let (token_words, token_rest) = token.as_chunks::<8>();
    const SMALL: u64 = u64::MAX / 255 * 0x20;
    let same = |(lower, token): (&[u8; 8], &[u8; 8])| {
        u64::from_ne_bytes(*lower) == u64::from_ne_bytes(*token) | SMALL
    };
    lower_words.iter().zip(token_words).all(same)
        && lower_rest.iter().zip(token_rest).all(|(&lower, &token)| lower == token | 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn texts_are_the_same_when_all_their_bytes_are() {
        for length in 0..70usize {
            let text: Vec<u8> = (0..length).map(|at| at as u8).collect();
            assert!(is_same(&text, &text.clone()));
            for at in 0..length {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!is_same(&text, &other), "{length} bytes, byte {at}");
            }
            assert!(!is_same(&text, &[&text[..], b"x"].concat()));
        }
    }
}
