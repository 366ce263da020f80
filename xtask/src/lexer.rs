//! Rust text with comments and literals blanked out, so that words and braces can be counted.
//!
//! Knows line and nested block comments, strings, raw strings, byte strings, characters and lifetimes.
//! It is no parser: macros are seen as written.

/// `text` with every character of a comment or literal replaced by a blank; line breaks stay where they are.
pub fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skip(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `at` itself when none starts there.
fn skip(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => line_end(chars, at),
        '/' if next == Some('*') => block_end(chars, at),
        '"' => string_end(chars, at + 1),
        'r' | 'b' | 'c' if !after_word(chars, at) => prefixed(chars, at),
        '\'' => char_end(chars, at),
        _ => at,
    }
}

fn after_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|&c| c == '\n').map_or(chars.len(), |n| at + n)
}

fn block_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'x'`.
fn prefixed(chars: &[char], start: usize) -> usize {
    let mut at = start;
    let mut raw = false;
    while let Some('r' | 'b' | 'c') = chars.get(at) {
        raw |= chars[at] == 'r';
        at += 1;
        if at - start > 2 {
            return start;
        }
    }
    let hashes = chars[at..].iter().take_while(|&&c| c == '#').count();
    match chars.get(at + hashes) {
        Some('"') if raw => raw_end(chars, at + hashes + 1, hashes),
        Some('"') if hashes == 0 => string_end(chars, at + 1),
        Some('\'') if hashes == 0 && chars[start] == 'b' => char_end(chars, at),
        _ => start,
    }
}

fn raw_end(chars: &[char], mut at: usize, hashes: usize) -> usize {
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    chars.len()
}

/// A character literal; a lifetime is left as it is.
fn char_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => chars[at + 3..].iter().position(|&c| c == '\'').map_or(at, |n| at + 3 + n + 1),
        (Some(_), Some('\'')) => at + 3,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::code_only;

    #[test]
    fn comments_and_literals_become_blanks_of_the_same_length() {
        for (input, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"x("}\"{") y"#, "x(      ) y"),
            ("r#\"a\"b\"# z", "         z"),
            ("b\"u\" br\"v\" z", "           z"),
            ("'{' b'\\n' x", "          x"),
            ("<'a> '\\'' q", "<'a>      q"),
            ("for x in bar {}", "for x in bar {}"),
            ("\"unclosed", "         "),
        ] {
            let got = code_only(input);
            assert_eq!(got.chars().count(), input.chars().count(), "{input}");
            assert_eq!(got, expected, "{input}");
        }
    }
}
