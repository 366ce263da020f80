//! YAML: a mapping whose member `uwsgi` is a mapping of options.
//!
//! As uWSGI with libyaml: scalars as written, quotes taken off, a list repeats the key. uWSGI without libyaml (its package
//! on PyPI) stops at the first list, keeps quotes and cuts at `#`; that reader is not followed. A mapping as a value is
//! refused: uWSGI reads its keys and values as options in turn. So are aliases, which would let a small file grow.

use super::{Document, Pair, Parsed};
use crate::diagnostic::Diagnostic;
use saphyr_parser::{Event, Parser, ScanError, Span};

/// Events until the end of the stream, each with its line.
struct Events<'d, 'a> {
    parser: Parser<'d, saphyr_parser::StrInput<'d>>,
    document: &'d Document<'a>,
}

/// What may stand where a value is wanted.
enum Value {
    Text(String),
    List,
    Mapping,
}

impl<'d> Events<'d, '_> {
    fn next(&mut self) -> Result<(Event<'d>, usize), Diagnostic> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, line(&span))),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let origin = self.document.origin_of_line(error.marker().line());
        let column = error.marker().col() + 1;
        let message = format!("this is no YAML at column {column}: {}; correct the line", error.info());
        Diagnostic::error(&origin, "", message)
    }

    fn error(&self, line: usize, key: &str, message: &str) -> Diagnostic {
        Diagnostic::error(&self.document.origin_of_line(line), key, message)
    }

    /// A key of a mapping, or `None` at its end.
    fn key(&mut self) -> Result<Option<(String, usize)>, Diagnostic> {
        match self.next()? {
            (Event::Scalar(key, ..), line) => Ok(Some((key.into_owned(), line))),
            (Event::MappingEnd | Event::StreamEnd, _) => Ok(None),
            (_, line) => Err(self.error(line, "", "the name of an option is a text; write `name: value`")),
        }
    }

    /// The beginning of a value.
    fn value(&mut self, key: &str) -> Result<(Value, usize), Diagnostic> {
        match self.next()? {
            (Event::Scalar(text, ..), line) => Ok((Value::Text(text.into_owned()), line)),
            (Event::SequenceStart(..), line) => Ok((Value::List, line)),
            (Event::MappingStart(..), line) => Ok((Value::Mapping, line)),
            (_, line) => {
                Err(self.error(line, key, "aliases such as `*name` are not understood; write the value out"))
            }
        }
    }

    /// Passes over the rest of a list or mapping that has begun.
    fn skip(&mut self) -> Result<(), Diagnostic> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next()?.0 {
                Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
                Event::SequenceEnd | Event::MappingEnd => depth -= 1,
                Event::StreamEnd => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    fn list(&mut self, key: &str, pairs: &mut Vec<Pair>) -> Result<(), Diagnostic> {
        loop {
            match self.next()? {
                (Event::Scalar(text, ..), line) => pairs.push(Pair {
                    key: key.to_owned(),
                    value: text.into_owned(),
                    origin: self.document.origin_of_line(line),
                }),
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(()),
                (_, line) => {
                    let message = "a list of an option holds texts only; write items such as `- name=value`";
                    return Err(self.error(line, key, message));
                }
            }
        }
    }

    /// The options of a mapping that has begun.
    fn options(&mut self, pairs: &mut Vec<Pair>) -> Result<(), Diagnostic> {
        while let Some((key, line)) = self.key()? {
            match self.value(&key)?.0 {
                Value::Text(value) => {
                    let origin = self.document.origin_of_line(line);
                    pairs.push(Pair { key, value, origin });
                }
                Value::List => self.list(&key, pairs)?,
                Value::Mapping => {
                    let message = "an option takes a text or a list of texts, not a mapping; write a list of items such as `- name=value`";
                    return Err(self.error(line, &key, message));
                }
            }
        }
        Ok(())
    }
}

pub fn parse(document: &Document<'_>, wanted: &str) -> Result<Parsed, Diagnostic> {
    let text = quote_placeholders(&document.text);
    let mut events = Events { parser: Parser::new_from_str(&text), document };
    let mut pairs = Vec::new();
    let mut is_found = false;
    let mut names = Vec::new();
    loop {
        match events.next()? {
            (Event::StreamEnd, _) => break,
            (Event::MappingStart(..), _) => {
                while let Some((key, line)) = events.key()? {
                    names.push(key.clone());
                    match events.value(&key)?.0 {
                        Value::Mapping if key == wanted => {
                            is_found = true;
                            events.options(&mut pairs)?;
                        }
                        Value::Text(text) if key == wanted && text.is_empty() => is_found = true,
                        Value::Text(_) | Value::List if key == wanted => {
                            let message = "options are wanted here; write them below it, each as an indented `name: value`";
                            return Err(events.error(line, &key, message));
                        }
                        Value::Mapping | Value::List => events.skip()?,
                        Value::Text(_) => {}
                    }
                }
            }
            (Event::Scalar(text, ..), line) if !text.is_empty() => {
                let message = format!(
                    "a YAML configuration is a mapping; begin it with `{wanted}:`, and indent options below it as `name: value`"
                );
                return Err(events.error(line, "", &message));
            }
            (Event::SequenceStart(..), _) => events.skip()?,
            _ => {}
        }
    }
    let missing =
        (!is_found).then(|| document.missing(&format!("{wanted}:"), &names, &format!("`{wanted}:`")));
    Ok(Parsed { pairs, missing })
}

/// A plain scalar must not begin with `%` or `@`, yet `chdir: %(base)` and `key: @(file)` are how placeholders are
/// written, and uWSGI without libyaml reads them. Such values get quotes; lines stay what they are.
fn quote_placeholders(text: &str) -> String {
    text.split_inclusive('\n').map(|line| quoted(line).unwrap_or_else(|| line.to_owned())).collect()
}

fn quoted(line: &str) -> Option<String> {
    let item = line.len() - line.trim_start().trim_start_matches("- ").trim_start().len();
    let colon = line[item..].find(": ").map(|place| item + place + 2);
    let start = [Some(item).filter(|_| line.trim_start().starts_with("- ")), colon]
        .into_iter()
        .flatten()
        .map(|start| line.len() - line[start..].trim_start().len())
        .find(|&start| line[start..].starts_with("%(") || line[start..].starts_with("@("))?;
    let end = line[start..].find(" #").map_or(line.trim_end().len(), |comment| start + comment);
    let value = line[start..end].trim_end().replace('\'', "''");
    Some(format!("{}'{value}'{}", &line[..start], &line[end..]))
}

fn line(span: &Span) -> usize {
    span.start.line()
}

#[cfg(test)]
mod tests {
    use super::quote_placeholders;

    #[test]
    fn values_that_begin_with_a_placeholder_are_quoted_and_nothing_else_is() {
        for (line, expected) in [
            ("  chdir: %(base)\n", "  chdir: '%(base)'\n"),
            ("  socket: %(base)/x.sock  # here\n", "  socket: '%(base)/x.sock' # here\n"),
            ("    - @(file)", "    - '@(file)'"),
            ("  - env: %(a)'s\n", "  - env: '%(a)''s'\n"),
            ("%YAML 1.2\n", "%YAML 1.2\n"),
            ("  a: b %(c)\n", "  a: b %(c)\n"),
            ("  a: '%(c)'\n", "  a: '%(c)'\n"),
        ] {
            assert_eq!(quote_placeholders(line), expected, "{line:?}");
        }
    }
}
