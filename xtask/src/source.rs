//! Checks on one Rust file: module documentation, length of file and functions, forbidden words and names.

use crate::finding::Finding;
use crate::lexer::code_only;

/// Longest file, lines.
pub const FILE_LINES: usize = 800;
/// Longest function, lines from `fn` to its closing brace.
pub const FUNCTION_LINES: usize = 70;
/// A comment that excuses a long function that is a table: `// tidy: table: the reason`.
const TABLE: &str = "tidy: table:";
/// A comment near the top that excuses a long file of tables.
const TABLE_FILE: &str = "tidy: table file:";
/// The only places where `unsafe` may stand.
const UNSAFE_HOMES: &[&str] = &["crates/sys/", "crates/python/src/ffi/", "crates/python/src/ffi.rs"];
const FORBIDDEN_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];
const FORBIDDEN_MACROS: &[&str] = &["todo", "dbg", "unimplemented"];

/// Everything wrong in the file `path`, relative to the workspace with forward slashes.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let code = code_only(text);
    let mut findings = Vec::new();
    check_name(path, &mut findings);
    check_documentation(path, text, &mut findings);
    check_file_length(path, text, &mut findings);
    check_words(path, &code, &mut findings);
    check_functions(path, text, &code, &mut findings);
    findings
}

fn check_name(path: &str, findings: &mut Vec<Finding>) {
    let stem =
        path.trim_end_matches("/mod.rs").trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
    if FORBIDDEN_NAMES.contains(&stem) {
        findings.push(Finding::new(
            path,
            1,
            format!("a module named `{stem}` says nothing; name it after its concept"),
        ));
    }
}

fn check_documentation(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    if !first.is_some_and(|line| line.starts_with("//!")) {
        findings.push(Finding::new(path, 1, "the module does not open with `//!`; say what it is for"));
    }
}

fn check_file_length(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let lines = text.lines().count();
    if lines > FILE_LINES && !text.lines().take(40).any(|line| excused(line, TABLE_FILE)) {
        let message =
            format!("{lines} lines; split it ({FILE_LINES} at most, tables: `// {TABLE_FILE} reason`)");
        findings.push(Finding::new(path, lines, message));
    }
}

/// The marker with a reason behind it.
fn excused(line: &str, marker: &str) -> bool {
    line.split_once(marker).is_some_and(|(before, reason)| before.contains("//") && !reason.trim().is_empty())
}

fn check_words(path: &str, code: &str, findings: &mut Vec<Finding>) {
    let unsafe_allowed = UNSAFE_HOMES.iter().any(|home| path.starts_with(home));
    for (number, line) in code.lines().enumerate() {
        for (at, word) in words(line) {
            let number = number + 1;
            if word == "unsafe" && !unsafe_allowed {
                findings.push(Finding::new(
                    path,
                    number,
                    "`unsafe` outside crates/sys and crates/python/src/ffi",
                ));
            }
            if FORBIDDEN_MACROS.contains(&word) && line[at + word.len()..].starts_with('!') {
                findings.push(Finding::new(path, number, format!("`{word}!` must not be committed")));
            }
        }
    }
}

/// The identifiers and keywords of a line with their byte positions.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let start = rest + line[rest..].find(is_word)?;
        let end = line[start..].find(|c| !is_word(c)).map_or(line.len(), |n| start + n);
        rest = end;
        Some((start, &line[start..end]))
    })
}

fn check_functions(path: &str, text: &str, code: &str, findings: &mut Vec<Finding>) {
    let lines: Vec<&str> = text.lines().collect();
    for function in functions(code) {
        let length = function.last - function.first + 1;
        let from = function.first.saturating_sub(2);
        let excuse = lines[from..function.last].iter().any(|line| excused(line, TABLE));
        if length > FUNCTION_LINES && !excuse {
            let message = format!(
                "fn {} has {length} lines ({FUNCTION_LINES} at most, tables: `// {TABLE} reason`)",
                function.name
            );
            findings.push(Finding::new(path, function.first, message));
        }
    }
}

struct Function {
    name: String,
    /// Line of `fn`, from 1.
    first: usize,
    /// Line of the closing brace, from 1.
    last: usize,
}

/// Functions with a body, nested ones too.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut offset = 0;
    for (number, line) in code.lines().enumerate() {
        let mut all = words(line).peekable();
        while let Some((at, word)) = all.next() {
            if word != "fn" {
                continue;
            }
            let Some((_, name)) = all.peek() else { continue };
            if let Some(length) = body_lines(&code[offset + at..]) {
                found.push(Function { name: (*name).to_owned(), first: number + 1, last: number + length });
            }
        }
        offset += line.len() + 1;
    }
    found
}

/// Lines from the start of `code` to the brace that closes the first one opened; `None` for a declaration.
fn body_lines(code: &str) -> Option<usize> {
    let (mut depth, mut brackets, mut lines) = (0usize, 0usize, 1);
    for c in code.chars() {
        match c {
            '\n' => lines += 1,
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if depth == 0 && brackets == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 && brackets == 0 {
                    return Some(lines);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<(usize, String)> {
        check(path, text).into_iter().map(|f| (f.line, f.message)).collect()
    }

    fn function_of(lines: usize, inside: &str) -> String {
        format!("//! Doc.\nfn long() {{\n{inside}\n{}}}\n", "    x();\n".repeat(lines - 3))
    }

    #[test]
    fn file_in_order_has_no_findings() {
        assert_eq!(
            messages("crates/a/src/lib.rs", "#![no_std]\n//! Doc.\nfn f() -> [u8; 2] { [0; 2] }\n"),
            []
        );
    }

    #[test]
    fn missing_module_documentation_is_found() {
        let found = messages("crates/a/src/lib.rs", "use std::io;\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("//!"), "{found:?}");
    }

    #[test]
    fn unsafe_is_found_outside_its_homes_only_and_not_in_text() {
        let text = "//! unsafe\nconst A: &str = \"unsafe\"; // unsafe\nunsafe fn f() {}\n";
        assert_eq!(messages("crates/server/src/a.rs", text)[0].0, 3);
        assert_eq!(messages("crates/sys/src/a.rs", text), []);
        assert_eq!(messages("crates/python/src/ffi/a.rs", text), []);
        assert_eq!(messages("crates/python/src/wsgi.rs", text).len(), 1);
        assert_eq!(messages("crates/a/src/lib.rs", "#![forbid(unsafe_code)]\n//! Doc.\n"), []);
    }

    #[test]
    fn forbidden_macros_are_found_and_words_like_them_are_not() {
        let text = "//! Doc.\nfn f() { todo!() }\nfn todo() { dbg!(1); todo(); }\n";
        assert_eq!(messages("crates/a/src/a.rs", text).iter().map(|f| f.0).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn long_file_is_found_unless_excused_with_a_reason() {
        let body = "// x\n".repeat(FILE_LINES);
        assert_eq!(messages("crates/a/src/a.rs", &format!("//! Doc.\n{body}")).len(), 1);
        assert_eq!(
            messages("crates/a/src/a.rs", &format!("//! Doc.\n// tidy: table file: rows\n{body}")),
            []
        );
        assert_eq!(
            messages("crates/a/src/a.rs", &format!("//! Doc.\n// tidy: table file:\n{body}")).len(),
            1
        );
    }

    #[test]
    fn long_function_is_found_unless_excused_with_a_reason() {
        assert_eq!(messages("crates/a/src/a.rs", &function_of(FUNCTION_LINES, "")), []);
        let found = messages("crates/a/src/a.rs", &function_of(FUNCTION_LINES + 1, ""));
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("fn long has 71 lines"), "{found:?}");
        assert_eq!(
            messages("crates/a/src/a.rs", &function_of(FUNCTION_LINES + 1, "// tidy: table: names")),
            []
        );
    }

    #[test]
    fn declaration_without_body_is_no_function() {
        let text = format!("//! Doc.\ntrait T {{ fn f(&self) -> [u8; 3]; }}\n{}", "// x\n".repeat(100));
        assert_eq!(messages("crates/a/src/a.rs", &text), []);
    }

    #[test]
    fn module_that_is_named_after_nothing_is_found() {
        assert_eq!(messages("crates/a/src/utils.rs", "//! Doc.\n").len(), 1);
        assert_eq!(messages("crates/a/src/common/mod.rs", "//! Doc.\n").len(), 1);
    }
}
