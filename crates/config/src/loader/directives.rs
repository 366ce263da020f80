//! What each directive does.

use super::budget::{self, MAX_ENVIRONMENT_CHANGES};
use super::{Halt, Loader, Printed};
use crate::Command;
use crate::diagnostic::{Diagnostic, Origin};
use crate::envdir;
use crate::options::{self, Directive, Need, OptionRow};
use crate::values;
use std::path::PathBuf;

/// Names of uWSGI plugins whose work Margrave does itself.
const BUILT_IN: [&str; 11] = [
    "python",
    "http",
    "corerouter",
    "logfile",
    "logsocket",
    "syslog",
    "transformation_chunked",
    "router_static",
    "stats",
    "cheaper_busyness",
    "ping",
];

/// Names of uWSGI plugins for other languages and services.
const FOREIGN: [&str; 26] = [
    "asyncio_pypy",
    "cgi",
    "coroae",
    "fiber",
    "forkptyrouter",
    "gccgo",
    "glusterfs",
    "jvm",
    "jwsgi",
    "lua",
    "mongodb",
    "mono",
    "perl",
    "php",
    "psgi",
    "pypy",
    "rack",
    "rados",
    "rbthreads",
    "ring",
    "ruby",
    "servlet",
    "v8",
    "webdav",
    "xslt",
    "zeromq",
];

/// Whether Margrave has what a uWSGI plugin does: any Python plugin, and a few services.
pub fn has_plugin(name: &str) -> bool {
    let is_python =
        name.strip_prefix("python").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    is_python || BUILT_IN.contains(&name)
}

impl Loader<'_> {
    /// Does what a directive says.
    pub(super) fn obey(
        &mut self,
        row: &'static OptionRow,
        value: Option<String>,
        origin: &Origin,
    ) -> Result<(), Halt> {
        let Some(directive) = row.directive else { return Ok(()) };
        let given = value.as_deref().unwrap_or_default();
        match directive {
            Directive::Load(format) => self.load(given, format, origin)?,
            Directive::Include | Directive::Inherit => self.load_by_suffix(given, origin, true)?,
            Directive::InjectBefore => self.inject_before.push(given.to_owned()),
            Directive::InjectAfter => self.inject_after.push(given.to_owned()),
            Directive::Set => self.set(row, given, origin)?,
            Directive::SetPlaceholder => self.set_placeholder(row, given, origin)?,
            Directive::DeclareOption => self.declare(given, true, origin)?,
            Directive::DeclareOptionDeferred => self.declare(given, false, origin)?,
            Directive::Blacklist => self.blacklist = Some(words(given)),
            Directive::EndBlacklist => self.blacklist = None,
            Directive::Whitelist => self.whitelist = Some(words(given)),
            Directive::EndWhitelist => self.whitelist = None,
            Directive::Strict => self.strict = values::truth(given),
            Directive::Print | Directive::PrintNow => self.print(given.to_owned()),
            Directive::Exit => return Err(Halt::Command(Command::Exit(exit_code(value.as_deref())))),
            Directive::Version => return Err(Halt::Command(Command::Version)),
            Directive::Help => {
                return Err(Halt::Command(Command::Help(value.filter(|topic| !topic.is_empty()))));
            }
            Directive::Get if self.problems.is_some() => return Err(Halt::Command(Command::Exit(0))),
            Directive::Get => self.asked.push(given.to_owned()),
            Directive::DumpOptions => {
                self.print(crate::help::names());
                return Err(Halt::Command(Command::Exit(0)));
            }
            Directive::ListPlugins => self.print(BUILT_IN.join("\n")),
            Directive::ShowConfig => self.wants_show = values::truth(given),
            Directive::AppendData => return Err(Halt::Command(Command::AppendData(PathBuf::from(given)))),
            Directive::Mode => self.mode = Some(given.to_owned()).filter(|mode| !mode.is_empty()),
            Directive::Resolve => self.resolve(row, given, origin)?,
            Directive::Stop => return Err(Halt::Command(Command::Stop(PathBuf::from(given)))),
            Directive::Reload => return Err(Halt::Command(Command::Reload(PathBuf::from(given)))),
            Directive::Pause => return Err(Halt::Command(Command::Pause(PathBuf::from(given)))),
            Directive::Fallback => self.fallback = Some(given.to_owned()).filter(|file| !file.is_empty()),
            Directive::EarlyEnvironment => {
                let (name, value) = assignment(row, given, origin)?;
                self.change_environment((name, Some(value)), origin)?;
            }
            Directive::EarlyDirectory => {
                for change in envdir::read(given, row.name(), origin, self.world)? {
                    self.change_environment(change, origin)?;
                }
            }
            Directive::Plugins(need) => self.note_plugins(row, need, given, origin)?,
            // Blocks are taken apart before their lines get here.
            Directive::If(..) | Directive::For(_) | Directive::Else | Directive::End => {}
        }
        Ok(())
    }

    /// Changes the environment for what is read from here on, and later for the application.
    fn change_environment(&mut self, change: envdir::Change, origin: &Origin) -> Result<(), Halt> {
        let changes = self.environment_changes.len() + 1;
        budget::within(changes, MAX_ENVIRONMENT_CHANGES, "the number of changes to the environment", origin)?;
        self.environment.retain(|(known, _)| *known != change.0);
        if let (name, Some(value)) = &change {
            self.environment.push((name.clone(), value.clone()));
        }
        self.environment_changes.push(change);
        Ok(())
    }

    fn set(&mut self, row: &OptionRow, value: &str, origin: &Origin) -> Result<(), Halt> {
        let (key, value) = assignment(row, value, origin)?;
        if self.belongs_to_block(&key) {
            return self.read_indirectly(row.name(), key, value, origin);
        }
        self.store(key, Some(value), origin.clone())
    }

    /// Whether a key opens, parts or closes a block.
    pub(super) fn belongs_to_block(&self, key: &str) -> bool {
        matches!(
            self.directive_of(key),
            Some(Directive::If(..) | Directive::For(_) | Directive::Else | Directive::End)
        )
    }

    /// Opens or closes a block by way of `set` or a declared option.
    pub(super) fn read_indirectly(
        &mut self,
        by: &str,
        key: String,
        value: String,
        origin: &Origin,
    ) -> Result<(), Halt> {
        if self.running_blocks > 0 && self.directive_of(&key) == Some(Directive::End) {
            // The end of a block has to stand in the file; this one is a key like any other.
            return self.store(key, Some(value), origin.clone());
        }
        if self.running_blocks > 0 {
            let message = format!(
                "a block cannot be opened from within another; write `{key} = {value}` on a line of its own"
            );
            return Err(Diagnostic::error(origin, by, message).into());
        }
        self.read(key, Some(value), origin.clone())
    }

    /// `resolve = name=host`.
    fn resolve(&mut self, row: &OptionRow, value: &str, origin: &Origin) -> Result<(), Halt> {
        let (key, host) = assignment(row, value, origin)?;
        let address = self.world.resolve_host(&host).map_err(|error| {
            let message = format!(
                "the host `{host}` has no address: {error}; correct the name, or add it to DNS or /etc/hosts"
            );
            Diagnostic::error(origin, row.name(), message)
        })?;
        self.store(key, Some(address.to_string()), origin.clone())
    }

    /// Prints a line, unless an option that takes effect before turns out to be wrong.
    fn print(&mut self, text: String) {
        self.output.push(Printed { text, after: self.settings.len() });
    }

    fn set_placeholder(&mut self, row: &OptionRow, value: &str, origin: &Origin) -> Result<(), Halt> {
        let (key, value) = assignment(row, value, origin)?;
        if options::find(&key).is_some() || self.custom.iter().any(|option| option.name == key) {
            let message = format!(
                "`{key}` is an option and cannot be a placeholder; choose another name, or use `set`"
            );
            return Err(Diagnostic::error(origin, row.name(), message).into());
        }
        self.store(key, Some(value), origin.clone())?;
        if let Some(entry) = self.raw.entries.last_mut() {
            entry.is_placeholder = true;
            // Its own value is not expanded, as in uWSGI; where it is used, it is.
            entry.is_done = true;
        }
        Ok(())
    }

    pub(super) fn check_lists(&self, key: &str, origin: &Origin) -> Result<(), Halt> {
        let is_named = |list: &Vec<String>| list.iter().any(|name| name == key);
        let ends_list =
            matches!(self.directive_of(key), Some(Directive::EndBlacklist | Directive::EndWhitelist));
        let message = if self.blacklist.as_ref().is_some_and(is_named) {
            "this option is forbidden by `blacklist`; remove it"
        } else if self.whitelist.as_ref().is_some_and(|list| !is_named(list)) && !ends_list {
            "this option is not allowed by `whitelist`; remove it, or add it to the list"
        } else {
            return Ok(());
        };
        Err(Diagnostic::error(origin, key, message).into())
    }

    fn note_plugins(
        &mut self,
        row: &OptionRow,
        need: Need,
        value: &str,
        origin: &Origin,
    ) -> Result<(), Halt> {
        for name in value.split(',').map(plugin_name).filter(|name| !name.is_empty()) {
            if !FOREIGN.contains(&name) && (need == Need::Wanted || has_plugin(name)) {
                continue;
            }
            let message = if FOREIGN.contains(&name) {
                format!("Margrave has nothing like the plugin `{name}`; keep uWSGI for that part")
            } else {
                format!(
                    "Margrave loads no plugins and has nothing called `{name}`; use `plugins` if it can do without"
                )
            };
            if need == Need::Required {
                return Err(Diagnostic::error(origin, row.name(), message).into());
            }
            self.findings.push(Diagnostic::warning(origin, row.name(), message));
        }
        Ok(())
    }
}

/// The plugin's name in `0:path/python3_plugin.so` and the like.
fn plugin_name(word: &str) -> &str {
    let word = word.trim();
    let word = word.rsplit(['/', ':']).next().unwrap_or(word);
    word.trim_end_matches(".so").trim_end_matches("_plugin")
}

fn assignment(row: &OptionRow, value: &str, origin: &Origin) -> Result<(String, String), Diagnostic> {
    match value.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => {
            Err(Diagnostic::error(origin, row.name(), format!("`{value}` sets nothing; write `name=value`")))
        }
    }
}

fn words(value: &str) -> Vec<String> {
    value.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// 1 without a value; with one its number, which is 0 for an empty value or for text.
fn exit_code(value: Option<&str>) -> i32 {
    value.map_or(1, |value| values::leading_number(value).0.unwrap_or(0).rem_euclid(256) as i32)
}
