//! Regular expressions of `if-hostname-match`.
//!
//! uWSGI built with PCRE2 gets these wrong (a match and a miss look alike); here they match as written.

/// Whether a regular expression matches somewhere in a text; one that is invalid matches nothing.
pub fn is_match(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}
