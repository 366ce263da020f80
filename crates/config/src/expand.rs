//! Expansion of values: `$(VAR)`, `@(source)` and `%(placeholder)`, one pass each over everything that was read.
//!
//! The scanner follows uWSGI: parentheses are counted, the innermost expression is replaced first, what cannot be resolved
//! stays as it is (so log-format variables survive), and after a replacement scanning begins again behind the first
//! character. Hence an expression that only comes into being at the very beginning of a value is not expanded again.

use std::num::IntErrorKind;

/// Replacements in one value before it is taken for endless.
pub const MAX_REPLACEMENTS: usize = 1_000;

/// Length of one value after expansion.
pub const MAX_VALUE_BYTES: usize = 256 << 10;

/// Length of all values after expansion.
pub const MAX_EXPANDED_BYTES: usize = 16 << 20;

/// What became of a value.
#[derive(Debug, PartialEq, Eq)]
pub enum Expansion {
    /// Nothing was replaced.
    Unchanged,
    /// The new value.
    Changed(String),
    /// It grows without end.
    Endless,
}

/// Replaces every `symbol(...)` in `value` that `resolve` knows.
///
/// # Errors
/// The first error of `resolve`.
pub fn expand<E>(
    value: &str,
    symbol: u8,
    mut resolve: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Expansion, E> {
    let mut text = value.to_owned();
    // Where each open expression begins and how many of its parentheses are open. Only the last counts: uWSGI forgets the
    // ones around it, and finds them again once the inner one has been replaced.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut replacements = 0;
    let mut at = 0;
    while at < text.len() {
        let bytes = text.as_bytes();
        match bytes[at] {
            byte if byte == symbol && bytes.get(at + 1) == Some(&b'(') => {
                open.push((at, 1));
                at += 2;
                continue;
            }
            // The symbol alone ends the expression that holds it.
            byte if byte == symbol => open.clear(),
            b'(' => open.iter_mut().last().into_iter().for_each(|(_, depth)| *depth += 1),
            b')' => {
                let Some((start, depth)) = open.last_mut() else {
                    at += 1;
                    continue;
                };
                *depth -= 1;
                if *depth == 0 {
                    let start = *start;
                    let inner = &text[start + 2..at];
                    let replacement = if inner.is_empty() { None } else { resolve(inner)? };
                    if let Some(replacement) = replacement {
                        text.replace_range(start..=at, &replacement);
                        replacements += 1;
                        if replacements > MAX_REPLACEMENTS || text.len() > MAX_VALUE_BYTES {
                            return Ok(Expansion::Endless);
                        }
                        open.pop();
                        // Scanning begins again behind the first character.
                        open.retain(|(start, _)| *start > 0);
                        at = start.max(1);
                        // A symbol before the replacement may open an expression with it.
                        if start > 0 && text.as_bytes()[start - 1] == symbol {
                            open.clear();
                            at = 1;
                        }
                        continue;
                    }
                    open.clear();
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(if replacements == 0 { Expansion::Unchanged } else { Expansion::Changed(text) })
}

/// The expressions `symbol(...)` in a value, innermost first, without their parentheses.
pub fn expressions(value: &str, symbol: u8) -> Vec<String> {
    let mut found = Vec::new();
    let scanned: Result<Expansion, std::convert::Infallible> = expand(value, symbol, |inner| {
        found.push(inner.to_owned());
        Ok(None)
    });
    let Ok(_) = scanned;
    found
}

/// The value of what stands in `%(...)`: a name, or names, numbers and operators with blanks between them.
pub fn placeholder(expression: &str, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    if !expression.contains(' ') {
        return lookup(expression);
    }
    let value_of = |item: &str| {
        let is_number = item.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { item.to_owned() } else { lookup(item).unwrap_or_default() }
    };
    let mut result: Option<String> = None;
    let mut operator: Option<&str> = None;
    for item in names(expression) {
        result = match (item, result) {
            ("+" | "-" | "*" | "/", result) => {
                operator = Some(item);
                result
            }
            ("++", Some(result)) => Some(number(&result).wrapping_add(1).to_string()),
            ("--", Some(result)) => Some(number(&result).wrapping_sub(1).to_string()),
            ("++" | "--", None) => None,
            (item, result) => {
                let (left, right) = (result.unwrap_or_default(), value_of(item));
                Some(match operator.take() {
                    Some(operator) => calculate(number(&left), operator, number(&right)).to_string(),
                    None => left + &right,
                })
            }
        };
        if result.as_ref().is_some_and(|result| result.len() > MAX_VALUE_BYTES) {
            break;
        }
    }
    result
}

/// The names that an expression in `%(...)` refers to.
pub fn names(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(' ').filter(|item| !item.is_empty())
}

fn calculate(left: i64, operator: &str, right: i64) -> i64 {
    match operator {
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        // uWSGI's answer to a division by zero.
        _ => left.checked_div(right).unwrap_or(0),
    }
}

/// The number at the beginning of a text, 0 when there is none.
fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    let sign = text.len() - digits.len();
    match text[..sign + length].parse() {
        Ok(number) => number,
        // Too large for 64 bits: the nearest that fits, as strtoll gives it.
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow => i64::MAX,
            IntErrorKind::NegOverflow => i64::MIN,
            _ => 0,
        },
    }
}

/// The value of what stands in `$(...)`: a variable, or `NAME:-default`, `NAME-default` as shells have them.
pub fn variable(expression: &str, lookup: impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some(value) = lookup(expression) {
        return Some(value);
    }
    let (name, default) = expression.split_once('-')?;
    match name.strip_suffix(':') {
        Some(name) => {
            Some(lookup(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned()))
        }
        None => Some(lookup(name).unwrap_or_else(|| default.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn lookup(name: &str) -> Option<String> {
        let known = [("a", "1"), ("b", "2"), ("C", "a"), ("e", ""), ("self", "x%(self)"), ("dollar", "$(a)")];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn check(value: &str, symbol: char, expected: &str) {
        let resolve = |inner: &str| -> Result<Option<String>, Infallible> {
            Ok(if symbol == '$' { variable(inner, lookup) } else { placeholder(inner, lookup) })
        };
        let Ok(expansion) = expand(value, symbol as u8, resolve);
        let result = match expansion {
            Expansion::Unchanged => value.to_owned(),
            Expansion::Changed(text) => text,
            Expansion::Endless => "endless".to_owned(),
        };
        assert_eq!(result, expected, "{value}");
    }

    #[test]
    fn placeholders_and_arithmetic() {
        check("%(a)%(b)", '%', "12");
        check("%(a b) %(a b + 2) %(b * 3) %(b / 0) %(a ++) %(b --) %(a b ++)", '%', "12 14 6 0 2 1 13");
        check("%(nope) %(nope + 1) %(5) %(5 + 5) %(a + b * 3)", '%', "%(nope) 1 %(5) 10 9");
        check("%(a (b) c) %( a + 1)", '%', "1 2");
        check(
            "%( /)|%(/ 2)|%(a +)|%( )|%(++ )|%( nope)|%(a /  )|%(- a)|%(a + + 2)",
            '%',
            "%( /)|0|1|%( )|%(++ )||1|-1|3",
        );
        check("x%(%(C))", '%', "x1");
        check("%()", '%', "%()");
        check("%(a", '%', "%(a");
    }

    #[test]
    fn expression_that_arises_at_the_beginning_is_left() {
        check("$(dollar)", '$', "$(a)");
        check("x$(dollar)", '$', "x1");
    }

    #[test]
    fn defaults_of_variables() {
        check(
            "[$(nope:-d)] [$(e:-d)] [$(e-d)] [$(nope-a-b:c)] [$(nope:-)] [$(a:-z)]",
            '$',
            "[d] [d] [] [a-b:c] [] [1]",
        );
    }

    #[test]
    fn growth_without_end_is_noticed() {
        check("y%(self)", '%', "endless");
    }
}
