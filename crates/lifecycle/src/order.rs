//! What an operator can ask of a running instance: one closed list, into which signals, letters of the master FIFO and
//! the words of `margrave ctl` all turn.
//!
//! Letters are uWSGI's. Says nothing about who may order what; `master` performs an order and answers it.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;
use serde::{Deserialize, Serialize};

/// One order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Reads the configuration again; a new generation takes over when it is ready.
    Reload(Manner),
    /// The same with the configuration as it is: only the application is loaded again.
    ReloadWorkers(Manner),
    /// As [`Order::ReloadWorkers`], one worker after the other.
    ChainReload,
    /// Starts the executable anew, beside this one, which hands over its sockets when the new one serves.
    Upgrade,
    /// Ends when what is in flight has been answered.
    Stop,
    /// Ends at once.
    Halt,
    /// No request is begun any more; connections wait.
    Pause,
    /// Ends a pause.
    Resume,
    /// Pauses, or ends a pause.
    TogglePause,
    /// So many workers more or, if negative, fewer.
    Workers(i16),
    /// Ends all workers until the next connection.
    Sleep,
    /// Opens log files anew, after somebody has moved them away.
    ReopenLogs,
    /// Moves log files away and opens new ones.
    RotateLogs,
    /// Writes the pidfiles again.
    WritePidfiles,
    /// Writes what every Python thread is doing.
    Stacks,
    /// Writes the counters of the workers to the log.
    Statistics,
    /// How the instance is.
    Status,
    /// Asks the emperor to look at its vassals.
    ScanVassals,
    /// Asks the emperor for another instance like this one.
    Reinforce,
    /// Stops or resumes announcing this instance to routers.
    ToggleSubscriptions,
}

/// How workers give way to their successors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Manner {
    /// They finish what they have, within their mercy.
    #[default]
    Graceful,
    /// They get a moment only.
    Brutal,
}

/// Every order without a number, by its words for `margrave ctl`; the first form is the one shown.
const WORDS: [(&str, Order); 27] = [
    ("status", Order::Status),
    ("reload", Order::Reload(Manner::Graceful)),
    ("brutal-reload", Order::Reload(Manner::Brutal)),
    ("reload brutal", Order::Reload(Manner::Brutal)),
    ("reload-workers", Order::ReloadWorkers(Manner::Graceful)),
    ("reload workers", Order::ReloadWorkers(Manner::Graceful)),
    ("brutal-reload-workers", Order::ReloadWorkers(Manner::Brutal)),
    ("chain-reload", Order::ChainReload),
    ("reload chain", Order::ChainReload),
    ("upgrade", Order::Upgrade),
    ("stop", Order::Stop),
    ("halt", Order::Halt),
    ("pause", Order::Pause),
    ("resume", Order::Resume),
    ("toggle-pause", Order::TogglePause),
    ("sleep", Order::Sleep),
    ("cheap", Order::Sleep),
    ("stacks", Order::Stacks),
    ("statistics", Order::Statistics),
    ("log reopen", Order::ReopenLogs),
    ("reopen", Order::ReopenLogs),
    ("log rotate", Order::RotateLogs),
    ("rotate", Order::RotateLogs),
    ("write-pidfiles", Order::WritePidfiles),
    ("scan-vassals", Order::ScanVassals),
    ("reinforce", Order::Reinforce),
    ("toggle-subscriptions", Order::ToggleSubscriptions),
];

impl Order {
    /// The order of a letter written to the master FIFO, in uWSGI's alphabet. Digits choose among FIFOs and are no
    /// orders; what is unknown, such as the end of a line, means nothing.
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'+' => Self::Workers(1),
            b'-' => Self::Workers(-1),
            b'B' => Self::Reinforce,
            b'c' => Self::ChainReload,
            b'C' => Self::Sleep,
            b'E' => Self::ScanVassals,
            b'f' => Self::Upgrade,
            b'l' => Self::ReopenLogs,
            b'L' => Self::RotateLogs,
            b'p' => Self::TogglePause,
            b'P' => Self::WritePidfiles,
            b'q' => Self::Stop,
            b'Q' => Self::Halt,
            b'r' => Self::Reload(Manner::Graceful),
            b'R' => Self::Reload(Manner::Brutal),
            b's' => Self::Statistics,
            b'S' => Self::ToggleSubscriptions,
            b'w' => Self::ReloadWorkers(Manner::Graceful),
            b'W' => Self::ReloadWorkers(Manner::Brutal),
            _ => return None,
        })
    }

    /// The order of some words, as `margrave ctl` takes them: `reload`, `workers +1`, `log reopen`.
    ///
    /// # Errors
    /// One sentence that says what can be written instead.
    pub fn parse(words: &[&str]) -> Result<Self, String> {
        if let ["workers", change] = words {
            let signed = change.starts_with(['+', '-']);
            let number = change.strip_prefix('+').unwrap_or(change).parse().ok().filter(|_| signed);
            return number
                .filter(|number| *number != 0)
                .map(Self::Workers)
                .ok_or_else(|| format!("`{change}` is no change of the number of workers; write +1 or -1"));
        }
        let said = words.join(" ");
        let found = WORDS.iter().find(|(words, _)| *words == said).map(|(_, order)| *order);
        found.ok_or_else(|| {
            let known: alloc::vec::Vec<&str> = WORDS.iter().map(|(words, _)| *words).collect();
            format!("`{said}` is no order; known are {}, workers +1 and workers -1", known.join(", "))
        })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Workers(change) = self {
            return write!(f, "workers {change:+}");
        }
        let words = WORDS.iter().find(|(_, order)| order == self).map_or("", |(words, _)| words);
        f.write_str(words)
    }
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or under way; in words.
    Done(String),
    /// It cannot be done, and why.
    Refused(String),
    /// The answer comes later, under this number.
    Later(u64),
}

impl Outcome {
    /// Done, in words.
    pub fn done(text: impl ToString) -> Self {
        Self::Done(text.to_string())
    }

    /// Refused, and why.
    pub fn refused(text: impl ToString) -> Self {
        Self::Refused(text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn every_order_is_understood_in_the_words_that_it_shows() {
        for (_, order) in WORDS {
            let shown = order.to_string();
            let words: Vec<&str> = shown.split(' ').collect();
            assert_eq!(Order::parse(&words), Ok(order), "{shown}");
        }
        for change in [1, -1, 12] {
            let shown = Order::Workers(change).to_string();
            let words: Vec<&str> = shown.split(' ').collect();
            assert_eq!(Order::parse(&words), Ok(Order::Workers(change)), "{shown}");
        }
    }

    #[test]
    fn what_is_no_order_is_told_what_is_one() {
        for words in [&["relaod"][..], &["workers", "2"], &["workers", "+0"], &["workers", "+x"], &[]] {
            let error = Order::parse(words).unwrap_err();
            assert!(error.contains("workers +1") || error.contains("+1 or -1"), "{error}");
        }
    }

    #[test]
    fn letters_are_those_of_uwsgi_and_everything_else_means_nothing() {
        let meaning = |letter| Order::from_letter(letter);
        let known: Vec<u8> = (0..=255).filter(|letter| meaning(*letter).is_some()).collect();
        assert_eq!(known, b"+-BCELPQRSWcflpqrsw");
        assert_eq!(meaning(b'r'), Some(Order::Reload(Manner::Graceful)));
        assert_eq!(meaning(b'\n'), None);
    }
}
