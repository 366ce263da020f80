//! Compressed neighbours of a file, and which of them a client takes (RFC 9110 section 12.5.3).

use margrave_config::settings::CompressedSettings;
use regex_lite::Regex;

/// A content coding with files of its own, the better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    pub(crate) const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in Content-Encoding.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What the neighbour's name has behind the file's.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }
}

/// The files that may have compressed neighbours.
#[derive(Debug, Default)]
pub(crate) struct Compressed {
    settings: CompressedSettings,
    patterns: Vec<Regex>,
}

impl Compressed {
    pub(crate) fn new(settings: &CompressedSettings) -> Self {
        let patterns = settings.patterns.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect();
        Self { settings: settings.clone(), patterns }
    }

    /// Whether neighbours of the file with this path are looked for.
    pub(crate) fn concerns(&self, path: &str) -> bool {
        self.settings.all
            || self.settings.suffixes.iter().any(|suffix| path.ends_with(suffix))
            || self.settings.prefixes.iter().any(|prefix| path.starts_with(prefix))
            || self.patterns.iter().any(|pattern| pattern.is_match(path))
    }
}

/// The codings that an Accept-Encoding takes rather than the file as it is, best first.
pub(crate) fn accepted(field: &str) -> Vec<Coding> {
    let identity = weight(field, &["identity"]).unwrap_or(0);
    let mut found: Vec<(u16, Coding)> = Coding::ALL
        .into_iter()
        .filter_map(|coding| {
            let names: &[&str] = if coding == Coding::Gzip { &["gzip", "x-gzip"] } else { &[coding.name()] };
            let weight = weight(field, names).or_else(|| weight(field, &["*"]))?;
            (weight > 0 && weight >= identity).then_some((weight, coding))
        })
        .collect();
    found.sort_by_key(|&(weight, coding)| (std::cmp::Reverse(weight), coding));
    found.into_iter().map(|(_, coding)| coding).collect()
}

/// The weight of a coding in thousandths; `None` when the field does not name it.
fn weight(field: &str, names: &[&str]) -> Option<u16> {
    field.split(',').find_map(|element| {
        let mut parts = element.split(';');
        let coding = parts.next()?.trim();
        names.iter().any(|name| coding.eq_ignore_ascii_case(name)).then(|| {
            let quality = parts.find_map(|parameter| {
                let (name, value) = parameter.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
            });
            quality.map_or(1000, thousandths)
        })
    })
}

/// `0.5` is 500. What is no weight is none: a client whose wish cannot be read gets the file as it is.
fn thousandths(quality: &str) -> u16 {
    match quality.parse::<f32>() {
        // The cast cannot fail: the value is between 0 and 1000.
        Ok(value) if (0.0..=1.0).contains(&value) => (value * 1000.0).round() as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Coding::{Brotli, Gzip, Zstd};

    #[test]
    fn codings_are_taken_by_weight_and_then_by_our_preference() {
        for (field, expected) in [
            ("", vec![]),
            ("identity", vec![]),
            ("gzip", vec![Gzip]),
            ("x-gzip", vec![Gzip]),
            ("GZIP", vec![Gzip]),
            ("gzip, deflate, br, zstd", vec![Brotli, Zstd, Gzip]),
            ("gzip;q=1.0, br;q=0.5", vec![Gzip, Brotli]),
            ("gzip;q=0, br", vec![Brotli]),
            ("gzip;q=0.000", vec![]),
            ("gzip ; Q=0.3", vec![Gzip]),
            ("*", vec![Brotli, Zstd, Gzip]),
            ("*;q=0", vec![]),
            ("gzip;q=0, *", vec![Brotli, Zstd]),
            ("*;q=0, gzip", vec![Gzip]),
            ("identity;q=1, gzip;q=0.5", vec![]),
            ("identity;q=0.5, gzip;q=0.5", vec![Gzip]),
            ("gzip;q=x", vec![]),
            ("gzip;q=7", vec![]),
            ("gzip2, xbr, gzipp", vec![]),
            (",,gzip,", vec![Gzip]),
        ] {
            assert_eq!(accepted(field), expected, "{field}");
        }
    }

    #[test]
    fn the_options_choose_files_by_path() {
        let rules = |all, pattern: &str, prefix: &str, suffix: &str| {
            let list = |text: &str| if text.is_empty() { vec![] } else { vec![text.to_owned()] };
            Compressed::new(&CompressedSettings {
                all,
                patterns: list(pattern),
                prefixes: list(prefix),
                suffixes: list(suffix),
            })
        };
        for (rules, path, expected) in [
            (rules(true, "", "", ""), "/a", true),
            (rules(false, "", "", ""), "/a", false),
            (rules(false, r"\.css$", "", ""), "/a.css", true),
            (rules(false, r"\.css$", "", ""), "/a.css.map", false),
            (rules(false, "", "/srv/s", ""), "/srv/s/a", true),
            (rules(false, "", "/srv/s", ""), "/srv/a", false),
            (rules(false, "", "", ".js"), "/a.js", true),
            (rules(false, "", "", ".js"), "/a.json", false),
        ] {
            assert_eq!(rules.concerns(path), expected, "{path} {rules:?}");
        }
    }
}
