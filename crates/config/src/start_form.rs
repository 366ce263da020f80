//! What a positional argument means: a configuration file, a Python file, or an application such as `mysite.wsgi:application`.

use crate::diagnostic::{Diagnostic, Origin};
use crate::error::Problem;
use crate::loader::format_of;
use crate::source::{Source, split_section};
use crate::world::{EntryKind, World};
use std::path::Path;

/// A positional argument, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartForm {
    /// A configuration file, perhaps with a section.
    Config,
    /// The options that it stands for.
    Options(Vec<(&'static str, String)>),
    /// Padding that old wrappers add so that the process name can grow: `[...]`.
    Ignored,
}

/// What a positional argument means.
///
/// # Errors
/// When it means nothing.
pub fn classify(argument: &str, world: &dyn World) -> Result<StartForm, Problem> {
    if argument.starts_with('[') {
        return Ok(StartForm::Ignored);
    }
    let (head, tail) = split_section(argument);
    if format_of(argument).is_some() || format_of(head).is_some() {
        return Ok(StartForm::Config);
    }
    let kind = |path: &str| world.target(Path::new(path)).ok().map(|entry| entry.kind);
    if is_python_file(argument) || argument.ends_with(".wsgi") && kind(argument) == Some(EntryKind::File) {
        return match kind(argument) {
            Some(EntryKind::Directory) => {
                Err(complain(argument, "it is a directory; name a Python file in it"))
            }
            Some(_) => Ok(StartForm::Options(vec![("wsgi-file", argument.to_owned())])),
            None => Err(complain(
                argument,
                "there is no such file; relative paths count from the working directory",
            )),
        };
    }
    if let Some(callable) = tail.filter(|_| is_python_file(head) && kind(head).is_some()) {
        let options = vec![("wsgi-file", head.to_owned()), ("callable", callable.to_owned())];
        return Ok(StartForm::Options(options));
    }
    let is_package = || world.target(Path::new(&format!("{argument}/__init__.py"))).is_ok();
    let is_module = is_module_expression(argument);
    match (Source::parse(argument), kind(argument)) {
        (Source::StandardInput, _) => {
            Err(complain(argument, "to read configuration from standard input write `--ini -`"))
        }
        (Source::File(_), Some(EntryKind::Directory)) if !(is_module && is_package()) => {
            Err(complain(argument, "it is a directory; name a configuration file, a Python file or a module"))
        }
        (Source::File(_), Some(EntryKind::File | EntryKind::Other)) => {
            let advice = "it is a file of no known kind; load it by `--ini FILE`, or `--wsgi-file FILE` if it is Python";
            Err(complain(argument, advice))
        }
        (Source::File(_), _) if is_module => Ok(StartForm::Options(vec![("module", argument.to_owned())])),
        _ => {
            let advice =
                "it is neither a file nor an application; write FILE.ini, app.py or package.module:callable";
            Err(complain(argument, advice))
        }
    }
}

fn is_python_file(path: &str) -> bool {
    path.ends_with(".py") || path.ends_with(".wsgi") && (path.contains('/') || !is_module_expression(path))
}

fn complain(argument: &str, advice: &str) -> Problem {
    Diagnostic::error(&Origin::CommandLine, argument, advice).into()
}

/// `package.module`, `package.module:object.attribute` or `package.module:factory()`; calls may have arguments.
fn is_module_expression(text: &str) -> bool {
    let (module, object) = text.split_once(':').unwrap_or((text, "application"));
    let object = match object.split_once('(') {
        Some((name, rest)) if rest.ends_with(')') => name,
        Some(_) => return false,
        None => object,
    };
    is_dotted_name(module) && is_dotted_name(object)
}

fn is_dotted_name(text: &str) -> bool {
    text.split('.').all(|part| {
        let mut characters = part.chars();
        characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && characters.all(|character| character.is_alphanumeric() || character == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryWorld;

    #[test]
    fn start_forms_are_told_apart() {
        let world = MemoryWorld::with_files(&[
            ("app.py", ""),
            ("d/x", ""),
            ("pkg/__init__.py", ""),
            ("conf", ""),
            ("x/site.wsgi", ""),
            ("old.wsgi", ""),
        ]);
        let options = |list: &[(&'static str, &str)]| {
            StartForm::Options(list.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
        };
        for (argument, expected) in [
            ("uwsgi.ini", StartForm::Config),
            ("uwsgi.ini:prod", StartForm::Config),
            ("site.yaml", StartForm::Config),
            ("[padding]", StartForm::Ignored),
            ("app.py", options(&[("wsgi-file", "app.py")])),
            ("app.py:flask_app", options(&[("wsgi-file", "app.py"), ("callable", "flask_app")])),
            ("x/site.wsgi", options(&[("wsgi-file", "x/site.wsgi")])),
            ("old.wsgi", options(&[("wsgi-file", "old.wsgi")])),
            ("mysite.wsgi", options(&[("module", "mysite.wsgi")])),
            ("mysite.wsgi:application", options(&[("module", "mysite.wsgi:application")])),
            ("pkg:create_app()", options(&[("module", "pkg:create_app()")])),
            ("pkg", options(&[("module", "pkg")])),
        ] {
            assert_eq!(classify(argument, &world), Ok(expected), "{argument}");
        }
        for (argument, message) in [
            ("d", "it is a directory"),
            ("conf", "it is a file of no known kind"),
            ("none.py", "there is no such file"),
            ("-", "--ini -"),
            ("not a module", "neither a file nor an application"),
            ("pkg:f(", "neither a file nor an application"),
        ] {
            let error = classify(argument, &world).unwrap_err().to_string();
            assert!(error.starts_with("command line: ") && error.contains(message), "{argument}: {error}");
        }
    }
}
