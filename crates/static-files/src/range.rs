//! Byte ranges (RFC 9110 section 14): which parts of a file a Range field asks for.

/// Most ranges in one request; a client that asks for more gets the whole file.
const MAX_RANGES: usize = 64;

/// What a Range field asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Everything: there is no range, or none that has to be honoured.
    Whole,
    /// These parts, as first and last byte, in the order asked for.
    Parts(Vec<(u64, u64)>),
    /// Nothing that the file has.
    Unsatisfiable,
}

/// Reads the value of a Range field for a file of so many bytes.
///
/// A field that is not valid is ignored. Ranges that together are longer than the file are answered with the file, so
/// that overlapping ones cannot be used to make a server send more than it has.
pub(crate) fn parse(value: &str, length: u64) -> Asked {
    let Some((unit, ranges)) = value.split_once('=') else { return Asked::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Asked::Whole;
    }
    let mut parts = Vec::new();
    let mut count = 0;
    for range in ranges.split(',').map(|range| range.trim_matches([' ', '\t'])) {
        if range.is_empty() {
            continue;
        }
        count += 1;
        match parse_one(range, length) {
            Some(Some(part)) => parts.push(part),
            Some(None) => {}
            None => return Asked::Whole,
        }
    }
    let total: u128 = parts.iter().map(|(first, last)| u128::from(last - first) + 1).sum();
    match (count, parts.is_empty()) {
        (0, _) => Asked::Whole,
        (_, true) => Asked::Unsatisfiable,
        _ if count > MAX_RANGES || (parts.len() > 1 && total > u128::from(length)) => Asked::Whole,
        _ => Asked::Parts(parts),
    }
}

/// One range: `None` when it is not valid, `Some(None)` when the file has nothing of it.
fn parse_one(range: &str, length: u64) -> Option<Option<(u64, u64)>> {
    let (first, last) = range.split_once('-')?;
    if first.is_empty() {
        let count = number(last)?;
        let is_there = count > 0 && length > 0;
        return Some(is_there.then(|| (length.saturating_sub(count), length - 1)));
    }
    let first = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if first > last {
        return None;
    }
    Some((first < length).then(|| (first, last.min(length - 1))))
}

/// Digits alone; what is too large for us is as large as can be.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, length: u64, expected: Asked) {
        assert_eq!(parse(value, length), expected, "{value} of {length}");
    }

    #[test]
    fn ranges_are_those_of_the_rfc() {
        let parts = |parts: &[(u64, u64)]| Asked::Parts(parts.to_vec());
        for (value, expected) in [
            ("bytes=0-9", parts(&[(0, 9)])),
            ("bytes=0-0", parts(&[(0, 0)])),
            ("bytes=90-", parts(&[(90, 99)])),
            ("bytes=-5", parts(&[(95, 99)])),
            ("bytes=-500", parts(&[(0, 99)])),
            ("bytes=50-500", parts(&[(50, 99)])),
            ("bytes=50-99999999999999999999999", parts(&[(50, 99)])),
            ("Bytes=0-9", parts(&[(0, 9)])),
            ("bytes= 0-9 , 20-29", parts(&[(0, 9), (20, 29)])),
            ("bytes=,0-9,,20-29,", parts(&[(0, 9), (20, 29)])),
            ("bytes=20-29,0-9", parts(&[(20, 29), (0, 9)])),
            ("bytes=0-9,100-", parts(&[(0, 9)])),
            ("bytes=0-9,-0", parts(&[(0, 9)])),
            ("bytes=0-49,50-99", parts(&[(0, 49), (50, 99)])),
        ] {
            check(value, 100, expected);
        }
    }

    #[test]
    fn what_the_file_does_not_have_cannot_be_satisfied() {
        for (value, length) in [
            ("bytes=100-", 100),
            ("bytes=100-200", 100),
            ("bytes=-0", 100),
            ("bytes=99999999999999999999999-", 100),
            ("bytes=200-300,400-", 100),
            ("bytes=0-", 0),
            ("bytes=-5", 0),
        ] {
            check(value, length, Asked::Unsatisfiable);
        }
    }

    #[test]
    fn what_is_no_valid_range_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=x-1",
            "bytes=1-x",
            "bytes=9-0",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--5",
            "bytes=0-1,9-8",
            "bytes=0-1,x",
            "bytes=1",
            "lines=0-1",
            "bytes:0-1",
            "bytes=1 -2",
            "bytes=0x1-2",
        ] {
            check(value, 100, Asked::Whole);
        }
    }

    #[test]
    fn ranges_never_add_up_to_more_than_the_file() {
        check("bytes=0-,0-,0-", 100, Asked::Whole);
        check("bytes=0-60,40-99", 100, Asked::Whole);
        let many = |count: u64| {
            let ranges: Vec<String> = (0..count).map(|n| format!("{}-{}", n * 2, n * 2)).collect();
            format!("bytes={}", ranges.join(","))
        };
        check(&many(65), 1000, Asked::Whole);
        assert!(matches!(parse(&many(64), 1000), Asked::Parts(parts) if parts.len() == 64));
    }

    /// Any mixture of what fields are made of ends in parts of the file, in bounds, that are no more than the file.
    #[test]
    fn whatever_a_field_says_the_parts_are_within_the_file() {
        const WORDS: [&str; 13] = [
            "bytes=",
            "0",
            "7",
            "99",
            "100",
            "-",
            "-",
            ",",
            ", ",
            "18446744073709551615",
            "99999999999999999999",
            "x",
            "=",
        ];
        for seed in 0..20_000u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut value = "bytes=".to_owned();
            for _ in 0..seed % 12 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                value += WORDS[usize::try_from(state % WORDS.len() as u64).unwrap()];
            }
            for length in [0, 1, 100, u64::MAX] {
                if let Asked::Parts(parts) = parse(&value, length) {
                    assert!(!parts.is_empty() && parts.len() <= MAX_RANGES, "{value} of {length}");
                    assert!(
                        parts.iter().all(|(first, last)| first <= last && *last < length),
                        "{value} of {length}"
                    );
                    let total: u128 = parts.iter().map(|(first, last)| u128::from(last - first) + 1).sum();
                    assert!(total <= u128::from(length), "{value} of {length}");
                }
            }
        }
    }
}
