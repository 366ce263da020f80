//! The command line by the rules of `getopt_long`: `--name value`, `--name=value`, unambiguous abbreviations, `-p 4`, `-p4`,
//! clusters such as `-Mp4`, `--` ends options, and options may stand behind positional arguments.

use crate::error::Problem;
use crate::loader::CustomOption;
use crate::options::{self, Argument, Directive};
use crate::suggest;

/// One thing on the command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// An option under its full name.
    Option {
        /// The name.
        name: String,
        /// Its value; `None` when it takes none.
        value: Option<String>,
    },
    /// `--help`, with what it is wanted for.
    Help(Option<String>),
}

/// Goes through the arguments; what is no option collects in [`CommandLine::positionals`].
#[derive(Debug)]
pub struct CommandLine<'a> {
    arguments: std::slice::Iter<'a, String>,
    /// The rest of a cluster of short options.
    cluster: &'a str,
    /// Arguments that are no options, in order.
    pub positionals: Vec<&'a str>,
}

impl<'a> CommandLine<'a> {
    /// `arguments` without the program name.
    pub fn new(arguments: &'a [String]) -> Self {
        Self { arguments: arguments.iter(), cluster: "", positionals: Vec::new() }
    }

    /// The next option; `custom` are those that the operator declared so far.
    ///
    /// # Errors
    /// When an argument is no option or lacks its value.
    pub fn next(&mut self, custom: &[CustomOption]) -> Result<Option<Item>, Problem> {
        if !self.cluster.is_empty() {
            return self.short().map(Some);
        }
        while let Some(argument) = self.arguments.next() {
            if argument == "--" {
                self.positionals.extend(self.arguments.by_ref().map(String::as_str));
            } else if let Some(long) = argument.strip_prefix("--") {
                return self.long(long, custom).map(Some);
            } else if argument.len() > 1 && argument.starts_with('-') {
                self.cluster = &argument[1..];
                return self.short().map(Some);
            } else {
                self.positionals.push(argument);
            }
        }
        Ok(None)
    }

    fn long(&mut self, argument: &str, custom: &[CustomOption]) -> Result<Item, Problem> {
        let (given, attached) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument, None),
        };
        let name = full_name(given, custom)?;
        let row = options::find(&name);
        if row.is_some_and(|row| row.directive == Some(Directive::Help)) {
            return Ok(Item::Help(attached.or_else(|| self.topic())));
        }
        let kind = match row {
            Some(row) => row.argument,
            None if custom.iter().any(|option| option.name == name && option.needs_argument()) => {
                Argument::Required
            }
            None => Argument::None,
        };
        let value = match (kind, attached) {
            (Argument::None, Some(_)) => {
                return Err(problem(format!(
                    "option --{name} takes no value on the command line; write --{name}, or `{name} = ...` in a file"
                )));
            }
            (Argument::Required, None) => Some(self.value_of(&format!("--{name}"))?),
            (_, attached) => attached,
        };
        Ok(Item::Option { name, value })
    }

    fn short(&mut self) -> Result<Item, Problem> {
        let letter = self.cluster.chars().next().unwrap_or_default();
        self.cluster = &self.cluster[letter.len_utf8()..];
        let row = options::find_short(letter)
            .ok_or_else(|| problem(format!("there is no option -{letter}; see `margrave --help`")))?;
        if row.directive == Some(Directive::Help) {
            return Ok(Item::Help(self.topic()));
        }
        let rest = std::mem::take(&mut self.cluster);
        let value = match row.argument {
            Argument::None => {
                self.cluster = rest;
                None
            }
            Argument::Optional | Argument::Required if !rest.is_empty() => Some(rest.to_owned()),
            Argument::Optional => None,
            Argument::Required => Some(self.value_of(&format!("-{letter}"))?),
        };
        let name = if letter == 'x' { "xmlconfig" } else { row.name() }; // what uWSGI shows, and calls it in `uwsgi.opt`
        Ok(Item::Option { name: name.to_owned(), value })
    }

    fn value_of(&mut self, option: &str) -> Result<String, Problem> {
        self.arguments
            .next()
            .cloned()
            .ok_or_else(|| problem(format!("option {option} needs a value; write it behind the option")))
    }

    /// What help is wanted for: the next argument, with or without dashes.
    fn topic(&mut self) -> Option<String> {
        self.arguments.next().map(|word| word.trim_start_matches('-').to_owned())
    }
}

/// The option that a name or an abbreviation stands for.
fn full_name(given: &str, custom: &[CustomOption]) -> Result<String, Problem> {
    let is_custom = |name: &str| custom.iter().any(|option| option.name == name);
    if options::find(given).is_some() || is_custom(given) {
        return Ok(given.to_owned());
    }
    let known = options::names().map(str::to_owned).chain(custom.iter().map(|option| option.name.clone()));
    let candidates: Vec<String> = known.filter(|name| !given.is_empty() && name.starts_with(given)).collect();
    // Names of one option count as one.
    let rows: Vec<&str> =
        candidates.iter().map(|name| options::find(name).map_or(name.as_str(), |row| row.name())).collect();
    match candidates.as_slice() {
        [] => Err(problem(match suggest::option_for(given) {
            Some(meant) => format!("there is no option --{given}; did you mean --{meant}?"),
            None => {
                format!("there is no option --{given}; placeholders are set by --set-placeholder {given}=...")
            }
        })),
        [first, ..] if rows.iter().all(|row| *row == rows[0]) => Ok(first.clone()),
        several => {
            let list = several.iter().map(|name| format!("--{name}")).collect::<Vec<_>>().join(", ");
            Err(problem(format!("option --{given} is ambiguous; write one of {list}")))
        }
    }
}

fn problem(message: String) -> Problem {
    Problem::CommandLine { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<(Vec<String>, Vec<String>), String> {
        let arguments: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let mut line = CommandLine::new(&arguments);
        let mut items = Vec::new();
        while let Some(item) = line.next(&[]).map_err(|problem| problem.to_string())? {
            items.push(match item {
                Item::Option { name, value: Some(value) } => format!("{name}={value}"),
                Item::Option { name, value: None } => name,
                Item::Help(topic) => format!("help:{}", topic.unwrap_or_default()),
            });
        }
        Ok((items, line.positionals.iter().map(|word| (*word).to_owned()).collect()))
    }

    fn check(words: &str, items: &[&str], positionals: &[&str]) {
        let (found, rest) = parse(words).unwrap_or_else(|error| panic!("{words}: {error}"));
        assert_eq!(found, items, "{words}");
        assert_eq!(rest, positionals, "{words}");
    }

    #[test]
    fn forms_of_getopt_are_understood() {
        check("--master --http :8000 --processes=4", &["master", "http=:8000", "processes=4"], &[]);
        check("a.ini -p4 -p 3 b", &["processes=4", "processes=3"], &["a.ini", "b"]);
        check("-Mp4 -MT", &["master", "processes=4", "master", "enable-threads"], &[]);
        check("-C666 -C 666", &["chmod-socket=666", "chmod-socket"], &["666"]);
        check("--need-app=false --need-app", &["need-app=false", "need-app"], &[]);
        check("--vac -- --master -", &["vacuum"], &["--master", "-"]);
        check("--virt x", &["virtualenv=x"], &[]);
        check("--help processes", &["help:processes"], &[]);
        check("-h --socket", &["help:socket"], &[]);
    }

    #[test]
    fn mistakes_are_named_with_a_remedy() {
        for (words, message) in [
            ("--foobar", "there is no option --foobar"),
            ("--proceses 4", "did you mean --processes?"),
            ("--vacuum=false", "takes no value on the command line"),
            ("--http", "option --http needs a value"),
            ("-p", "option -p needs a value"),
            ("-%", "there is no option -%"),
            ("--sock x", "is ambiguous; write one of --socket, "),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(message), "{words}: {error}");
        }
    }
}
