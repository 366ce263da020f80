//! What must hold of any bytes given as a PROXY header.

use super::{Decoded, Source, decode, encode_v1, encode_v2};
use alloc::vec::Vec;

const LIMIT: usize = 4096;

/// Checks one input.
pub fn check(input: &[u8]) {
    match decode(input, LIMIT) {
        Ok(Decoded::Complete { used, source }) => {
            assert!(used <= input.len().min(LIMIT));
            for cut in [1, 2, used / 2, used - 1] {
                assert_eq!(decode(&input[..used - cut], LIMIT), Ok(Decoded::Incomplete));
            }
            let (mut line, mut header) = (Vec::new(), Vec::new());
            encode_v1(source, &mut line);
            encode_v2(source, b"", &mut header);
            let used = header.len();
            assert_eq!(decode(&header, LIMIT), Ok(Decoded::Complete { used, source }));
            let source = if source == Source::Unix { Source::Connection } else { source };
            assert_eq!(decode(&line, LIMIT), Ok(Decoded::Complete { used: line.len(), source }));
        }
        Ok(Decoded::Absent) => assert!(!input.is_empty()),
        Ok(Decoded::Incomplete) => assert!(input.len() < LIMIT),
        Err(error) => {
            assert!(error.position <= input.len() && error.status() >= 400);
            // More bytes do not mend it.
            let mut longer = input.to_vec();
            longer.extend_from_slice(b"\r\nx");
            assert!(decode(&longer, LIMIT).is_err());
        }
    }
}
