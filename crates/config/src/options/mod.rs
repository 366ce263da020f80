//! The option registry: every name that uWSGI has and every one that Margrave adds, as data.
//!
//! Parsing, checks, `--help`, the reference page and the suggestions for misspelt names all come from here. A row says
//! what an option takes and whether it works; what it *does* is in [`build`](crate::build) (settings) or in the loader
//! (directives). Tables are grouped by subject, one file each; nothing else is in those files.

mod adjacent;
mod config;
mod emperor;
mod facts;
mod foreign;
mod hooks;
mod http;
mod logging;
mod process;
mod python;
mod reload;
mod routers;
mod routing;
mod security;
mod sockets;
mod static_files;
mod stats;

use std::collections::HashMap;
use std::sync::OnceLock;

/// One option under all its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// The names, the usual one first.
    pub names: &'static [&'static str],
    /// Letter of the short form (`-p`).
    pub short: Option<char>,
    /// Whether a value follows on the command line.
    pub argument: Argument,
    /// What the value is.
    pub kind: Kind,
    /// Whether every use counts (a list) instead of the last one.
    pub repeats: bool,
    /// What the loader does when it reads it; `None` for a setting.
    pub directive: Option<Directive>,
    /// Whether Margrave does what it says.
    pub status: Status,
    /// One sentence.
    pub help: &'static str,
}

/// Whether a value follows on the command line. In a file a value may always stand after `=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Never: `--master`.
    None,
    /// Always: `--socket :3031` or `--socket=:3031`.
    Required,
    /// Only when attached: `--need-app`, `--need-app=false`.
    Optional,
}

/// What a value is, for checks and for the reference page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` unless it is `false`, `off`, `no` or `0`.
    Flag,
    /// A whole number from 0.
    Integer,
    /// A whole number that may be negative.
    Signed,
    /// A whole number of bytes.
    Bytes,
    /// A number of mebibytes, with or without a decimal point.
    Megabytes,
    /// A whole number of seconds.
    Seconds,
    /// A time such as `5`, `0.5`, `20ms` or `500us`; a bare number counts seconds.
    Duration,
    /// A whole number of milliseconds.
    Milliseconds,
    /// A socket address: `host:port`, `:port`, `[v6]:port`, a path, `@abstract`.
    Address,
    /// Permission bits in octal.
    Mode,
    /// A path of the file system.
    Path,
    /// `name=value`.
    KeyValue,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A regular expression.
    Regex,
    /// `package.module`, `package.module:object` or `package.module:factory()`.
    Module,
    /// One word.
    Name,
    /// A user or group, by name or number.
    User,
    /// `user` or `user:group`.
    Owner,
    /// Any text.
    Text,
}

impl Kind {
    /// Whether the value is a number of something.
    pub const fn is_number(self) -> bool {
        matches!(
            self,
            Self::Integer
                | Self::Signed
                | Self::Bytes
                | Self::Megabytes
                | Self::Seconds
                | Self::Duration
                | Self::Milliseconds
        )
    }
}

/// Whether Margrave does what an option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Works,
    /// Read and checked; it has no effect here, for this reason.
    Accepted(&'static str),
    /// An error that says what to do instead.
    Refused(&'static str),
    /// Known, not built yet: a warning by name.
    NotYet,
    /// An option of uWSGI's support for this other language or service: a warning by name.
    Foreign(&'static str),
}

/// What the loader does with an option. Only [`Directive::is_deferred`] ones wait for the end of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// Loads a file of a given format: `ini`.
    Load(Format),
    /// Loads a file whose suffix says its format, where it stands.
    Include,
    /// The same after everything else was read.
    Inherit,
    /// Puts a file before each configuration text.
    InjectBefore,
    /// Puts a file after each configuration text.
    InjectAfter,
    /// `set`: an option or placeholder as `key=value`.
    Set,
    /// `set-placeholder`: a placeholder as `key=value`.
    SetPlaceholder,
    /// `declare-option`: an option of the operator's own, usable from here on.
    DeclareOption,
    /// `declare-option2`: the same, run when settings are applied.
    DeclareOptionDeferred,
    /// Opens a block that is read when the condition holds.
    If(Condition, Wanted),
    /// Opens a block that is repeated.
    For(Loop),
    /// The other half of an `if` block.
    Else,
    /// Closes the innermost block.
    End,
    /// Forbids these options until `end-blacklist`.
    Blacklist,
    /// Ends `blacklist`.
    EndBlacklist,
    /// Forbids all other options until `end-whitelist`.
    Whitelist,
    /// Ends `whitelist`.
    EndWhitelist,
    /// Unknown options become errors.
    Strict,
    /// Prints a line once the configuration is read.
    Print,
    /// Prints a line where it stands.
    PrintNow,
    /// Exits where it stands.
    Exit,
    /// Prints the version and exits.
    Version,
    /// Prints help and exits.
    Help,
    /// Prints the value of an option and exits.
    Get,
    /// Prints the names of all options and exits.
    DumpOptions,
    /// Prints the features that uWSGI has as plugins and Margrave has built in.
    ListPlugins,
    /// Writes the effective configuration to the log.
    ShowConfig,
    /// Stops the instance of a pidfile.
    Stop,
    /// Reloads the instance of a pidfile.
    Reload,
    /// Pauses or resumes the instance of a pidfile.
    Pause,
    /// Names the file to start with when the exit code would be 1.
    Fallback,
    /// Sets an environment variable at once.
    EarlyEnvironment,
    /// Sets environment variables from the files of a directory at once.
    EarlyDirectory,
    /// Names features that uWSGI loads as plugins.
    Plugins(Need),
    /// Sets a placeholder to the address of a host.
    Resolve,
    /// Chooses the elements of XML files that have a mode.
    Mode,
    /// Writes a file in the form of `data://`.
    AppendData,
}

impl Directive {
    /// Whether it acts only when everything has been read and expanded.
    pub fn is_deferred(self) -> bool {
        matches!(
            self,
            Self::Inherit
                | Self::DeclareOptionDeferred
                | Self::Print
                | Self::Version
                | Self::Get
                | Self::DumpOptions
                | Self::ListPlugins
                | Self::ShowConfig
                | Self::Mode
        )
    }
}

/// Formats of configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `[section]`, `key = value`.
    Ini,
    /// XML.
    Xml,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// TOML, which uWSGI does not have.
    Toml,
    /// Rows of an SQLite database.
    Sqlite,
    /// Found by a scheme or suffix (`config`).
    Other,
}

/// What an `if` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Another option, `NAME` or `NAME=VALUE`.
    Option,
    /// An environment variable, `NAME` or `NAME=VALUE`.
    Environment,
    /// Whether this is a reload.
    Reload,
    /// The name of the host.
    Hostname,
    /// A regular expression on the name of the host.
    HostnameMatch,
    /// A readable path.
    Exists,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A feature by the name of uWSGI's plugin.
    Plugin,
}

/// Which outcome of a condition opens the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
}

/// What a `for` repeats over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loop {
    /// Words.
    Words,
    /// Paths that a pattern matches.
    Glob,
    /// Numbers from 1.
    Times,
    /// Lines of a file.
    Lines,
}

/// How badly a plugin is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// `plugins`.
    Wanted,
    /// `need-plugins`.
    Required,
}

/// Options that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The word for `--help SUBJECT`.
    pub name: &'static str,
    /// The heading.
    pub title: &'static str,
    /// Its options.
    pub rows: &'static [OptionRow],
}

/// Every subject in the order of the help.
pub const SUBJECTS: &[Subject] = &[
    Subject { name: "sockets", title: "Sockets", rows: sockets::ROWS },
    Subject { name: "http", title: "HTTP and limits", rows: http::ROWS },
    Subject { name: "python", title: "Python and applications", rows: python::ROWS },
    Subject { name: "process", title: "Master, workers and threads", rows: process::ROWS },
    Subject { name: "reload", title: "Reloading, recycling and harakiri", rows: reload::ROWS },
    Subject { name: "security", title: "Users, privileges and isolation", rows: security::ROWS },
    Subject { name: "logging", title: "Logging", rows: logging::ROWS },
    Subject { name: "static", title: "Static files", rows: static_files::ROWS },
    Subject { name: "config", title: "Configuration", rows: config::ROWS },
    Subject { name: "stats", title: "Statistics, metrics and alarms", rows: stats::ROWS },
    Subject { name: "emperor", title: "Emperor, vassals and legions", rows: emperor::ROWS },
    Subject { name: "hooks", title: "Hooks", rows: hooks::ROWS },
    Subject {
        name: "adjacent",
        title: "Beside the workers: cache, queue, spooler, mules, cron",
        rows: adjacent::ROWS,
    },
    Subject { name: "routing", title: "Internal routing", rows: routing::ROWS },
    Subject { name: "routers", title: "Routers and gateways", rows: routers::ROWS },
    Subject { name: "foreign", title: "Other languages and services", rows: foreign::ROWS },
];

/// The options whose help has one sentence about every row: all rows of all subjects.
pub fn rows() -> impl Iterator<Item = &'static OptionRow> {
    SUBJECTS.iter().flat_map(|subject| subject.rows)
}

/// The option of this name.
pub fn find(name: &str) -> Option<&'static OptionRow> {
    static INDEX: OnceLock<HashMap<&'static str, &'static OptionRow>> = OnceLock::new();
    INDEX
        .get_or_init(|| rows().flat_map(|row| row.names.iter().map(move |name| (*name, row))).collect())
        .get(name)
        .copied()
}

/// The option of this letter.
pub fn find_short(letter: char) -> Option<&'static OptionRow> {
    rows().find(|row| row.short == Some(letter))
}

/// Every name of every option.
pub fn names() -> impl Iterator<Item = &'static str> {
    rows().flat_map(|row| row.names.iter().copied())
}

impl OptionRow {
    /// The usual name.
    pub const fn name(&self) -> &'static str {
        self.names[0]
    }

    /// Whether it acts when it is read, before `$()`, `@()` and `%()` are looked at.
    pub fn is_immediate(&self) -> bool {
        self.directive.is_some_and(|directive| !directive.is_deferred())
    }

    const fn works(mut self) -> Self {
        self.status = Status::Works;
        self
    }

    const fn accepted(mut self, reason: &'static str) -> Self {
        self.status = Status::Accepted(reason);
        self
    }

    const fn refused(mut self, instead: &'static str) -> Self {
        self.status = Status::Refused(instead);
        self
    }

    /// Belongs to something that uWSGI supports and Margrave does not.
    const fn without(mut self, service: &'static str) -> Self {
        self.status = Status::Foreign(service);
        self
    }

    const fn list(mut self) -> Self {
        self.repeats = true;
        self
    }

    const fn short(mut self, letter: char) -> Self {
        self.short = Some(letter);
        self
    }

    const fn optional(mut self) -> Self {
        self.argument = Argument::Optional;
        self
    }

    const fn bare(mut self) -> Self {
        self.argument = Argument::None;
        self
    }
}

/// A setting with a value.
const fn value(names: &'static [&'static str], kind: Kind, help: &'static str) -> OptionRow {
    OptionRow {
        names,
        short: None,
        argument: Argument::Required,
        kind,
        repeats: false,
        directive: None,
        status: Status::NotYet,
        help,
    }
}

/// A setting that is on or off.
const fn flag(names: &'static [&'static str], help: &'static str) -> OptionRow {
    value(names, Kind::Flag, help).bare()
}

/// Something the loader does.
const fn directive(names: &'static [&'static str], directive: Directive, help: &'static str) -> OptionRow {
    let mut row = value(names, Kind::Text, help).works();
    row.directive = Some(directive);
    row
}

/// An option of another language or service.
const fn foreign(names: &'static [&'static str], service: &'static str, help: &'static str) -> OptionRow {
    let mut row = value(names, Kind::Text, help);
    row.status = Status::Foreign(service);
    row
}
