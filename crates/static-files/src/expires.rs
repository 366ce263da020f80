//! When an answer expires: the `static-expires` family.

use margrave_config::settings::{ExpiresRule, ExpiresSubject};
use regex_lite::Regex;
use std::time::{Duration, SystemTime};

/// The rules, in the order in which they are tried.
#[derive(Debug, Default)]
pub(crate) struct Expires {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    settings: ExpiresRule,
    /// `None` for media types, which are compared as they are.
    pattern: Option<Regex>,
}

/// What the rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subjects<'a> {
    /// The file's path as it is configured, and the one that links lead to.
    pub(crate) files: [&'a str; 2],
    pub(crate) path_info: &'a [u8],
    pub(crate) uri: &'a [u8],
    pub(crate) media_type: &'a str,
    pub(crate) modified: SystemTime,
}

impl Expires {
    /// Patterns were checked when the configuration was read; one that is invalid matches nothing.
    pub(crate) fn new(rules: &[ExpiresRule]) -> Self {
        let mut rules: Vec<Rule> = rules
            .iter()
            .filter_map(|settings| {
                let is_type = settings.subject == ExpiresSubject::Type;
                let pattern = if is_type { None } else { Some(Regex::new(&settings.pattern).ok()?) };
                Some(Rule { settings: settings.clone(), pattern })
            })
            .collect();
        // A stable sort: within a subject the order of the configuration stays.
        rules.sort_by_key(|rule| rule.settings.subject);
        Self { rules }
    }

    /// The date of the first rule that matches.
    pub(crate) fn of(&self, subjects: &Subjects<'_>, now: SystemTime) -> Option<SystemTime> {
        let rule = self.rules.iter().find(|rule| rule.matches(subjects))?;
        let start = if rule.settings.from_mtime { subjects.modified } else { now };
        start.checked_add(Duration::from_secs(rule.settings.seconds))
    }
}

impl Rule {
    fn matches(&self, subjects: &Subjects<'_>) -> bool {
        let Some(pattern) = &self.pattern else {
            let plain = subjects.media_type.split(';').next().unwrap_or_default().trim();
            return plain.eq_ignore_ascii_case(&self.settings.pattern);
        };
        match self.settings.subject {
            ExpiresSubject::File => subjects.files.iter().any(|file| pattern.is_match(file)),
            ExpiresSubject::PathInfo => pattern.is_match(&String::from_utf8_lossy(subjects.path_info)),
            ExpiresSubject::Uri => pattern.is_match(&String::from_utf8_lossy(subjects.uri)),
            ExpiresSubject::Type => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn the_first_subject_with_a_rule_that_matches_decides() {
        let rule = |subject, pattern: &str, seconds, from_mtime| ExpiresRule {
            subject,
            pattern: pattern.into(),
            seconds,
            from_mtime,
        };
        let expires = Expires::new(&[
            rule(ExpiresSubject::Type, "text/css", 1, false),
            rule(ExpiresSubject::Type, "text/html", 2, true),
            rule(ExpiresSubject::Uri, r"\?v=", 3, false),
            rule(ExpiresSubject::PathInfo, "^/s/b", 4, false),
            rule(ExpiresSubject::File, r"\.js$", 5, true),
            rule(ExpiresSubject::File, "js", 6, false),
        ]);
        for (file, path_info, uri, media_type, expected) in [
            ("/srv/a.css", "/s/a.css", "/s/a.css", "text/css", Some(1001)),
            ("/srv/a.css", "/s/a.css", "/s/a.css", "text/css; charset=utf-8", Some(1001)),
            ("/srv/a.html", "/s/a.html", "/s/a.html", "text/html", Some(102)),
            ("/srv/a.css", "/s/a.css", "/s/a.css?v=1", "text/css", Some(1003)),
            ("/srv/b.css", "/s/b.css", "/s/b.css?v=1", "text/css", Some(1004)),
            ("/srv/b.js", "/s/b.js", "/s/b.js?v=1", "text/javascript", Some(105)),
            ("/srv/js/a", "/s/js/a", "/s/js/a", "text/css", Some(1006)),
            ("/srv/a", "/s/a", "/s/a", "image/png", None),
            ("/link/a", "/s/a", "/s/a", "image/png", Some(1006)),
        ] {
            let real = file.replace("/link/", "/srv/js/");
            let subjects = Subjects {
                files: [file, &real],
                path_info: path_info.as_bytes(),
                uri: uri.as_bytes(),
                media_type,
                modified: UNIX_EPOCH + Duration::from_secs(100),
            };
            let found = expires.of(&subjects, UNIX_EPOCH + Duration::from_secs(1000));
            let seconds = found.map(|date| date.duration_since(UNIX_EPOCH).unwrap().as_secs());
            assert_eq!(seconds, expected, "{file} {uri} {media_type}");
        }
    }
}
