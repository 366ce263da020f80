//! Regular expressions in configuration: `if-hostname-match`, and whether those of other options can be understood.
//!
//! uWSGI built with PCRE2 gets these wrong (a match and a miss look alike); here they match as written.

/// Whether a regular expression matches somewhere in a text; one that is invalid matches nothing.
pub fn is_match(pattern: &str, text: &str) -> bool {
    regex_lite::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// Whether a text is a regular expression.
///
/// # Errors
/// What is wrong and what to do.
pub fn check(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() {
        return Err("a regular expression is missing; write one behind `=`".to_owned());
    }
    regex_lite::Regex::new(pattern)
        .map(drop)
        .map_err(|error| format!("`{pattern}` is no regular expression: {error}; correct it"))
}
