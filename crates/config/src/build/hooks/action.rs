//! The language of one hook: `verb:argument`.

use crate::settings::{Action, Mount, MountFlag, PathKind, SignalOrder};
use crate::values;
use std::path::PathBuf;

/// Verbs that call a function inside uWSGI's process.
const CALLS: [&str; 4] = ["call", "callret", "callint", "callintret"];

/// Verbs of parts that are still to come.
const NOT_YET: [&str; 3] = ["alarm", "rpc", "retryrpc"];

/// Parses `verb:argument`; `None` for a verb whose part is not built yet.
///
/// # Errors
/// What is wrong and what to do.
pub fn parse(text: &str) -> Result<Option<Action>, String> {
    let Some((verb, argument)) = text.split_once(':') else {
        return Err(format!("`{text}` has no action; write it as ACTION:ARGUMENT, such as exec:COMMAND"));
    };
    if NOT_YET.contains(&verb) {
        return Ok(None);
    }
    of_verb(verb, argument).map(Some)
}

/// The action of a verb with its argument.
///
/// # Errors
/// What is wrong and what to do.
pub fn of_verb(verb: &str, argument: &str) -> Result<Action, String> {
    if CALLS.contains(&verb) {
        return Err(format!(
            "`{verb}` calls a C function inside uWSGI, which is not here; write `exec:COMMAND`, or do it in Python at import"
        ));
    }
    let given = |what: &str| match argument {
        "" => Err(format!("`{verb}:` needs {what} behind the colon")),
        argument => Ok(argument),
    };
    let path = || given("a path").map(PathBuf::from);
    Ok(match verb {
        "cd" | "chdir" => Action::ChangeDirectory(path()?),
        "mkdir" => Action::MakeDirectory(path()?),
        "putenv" => variable(argument)?,
        "chmod" => {
            let (path, mode) = two(verb, argument, "PATH MODE")?;
            Action::SetMode(path.into(), values::mode(mode)?.0)
        }
        "sticky" => Action::SetSticky(path()?),
        "chown" | "chown2" => {
            let (path, owner) = two(verb, argument, "PATH USER GROUP")?;
            let (user, group) = two(verb, owner, "PATH USER GROUP")?;
            Action::SetOwner(path.into(), user.to_owned(), group.to_owned())
        }
        "exec" => Action::Execute(given("a command")?.to_owned()),
        "safeexec" => Action::ExecuteSafely(given("a command")?.to_owned()),
        "create" | "creat" => Action::Create(path()?),
        "write" | "writen" | "append" | "appendn" | "writefifo" => content(verb, argument)?,
        "unlink" => Action::Remove(path()?),
        "mount" => Action::Mount(mount(argument)?),
        "umount" => {
            let mut words = argument.split_whitespace();
            let target = words.next().ok_or("`umount:` needs a path behind the colon")?;
            let (flags, _) = flags(words.next())?;
            Action::Unmount(target.into(), flags)
        }
        "hostname" => Action::SetHostName(given("a name")?.to_owned()),
        "wait_for_fs" => Action::WaitForPath(path()?, PathKind::Any),
        "wait_for_file" => Action::WaitForPath(path()?, PathKind::File),
        "wait_for_dir" => Action::WaitForPath(path()?, PathKind::Directory),
        "wait_for_mountpoint" => Action::WaitForPath(path()?, PathKind::MountPoint),
        "wait_for_socket" => Action::WaitForSocket(values::address(argument)?.0),
        "spinningfifo" => Action::WaitForReader(path()?),
        "unix_signal" => signal(argument)?,
        "exit" => exit(argument)?,
        "print" | "log" => Action::Print(argument.to_owned()),
        _ => return Err(format!("there is no action `{verb}`; {}", advice(verb))),
    })
}

/// Every verb, for suggestions.
const VERBS: &[&str] = &[
    "cd",
    "chdir",
    "mkdir",
    "putenv",
    "chmod",
    "sticky",
    "chown",
    "chown2",
    "exec",
    "safeexec",
    "create",
    "creat",
    "write",
    "writen",
    "append",
    "appendn",
    "writefifo",
    "unlink",
    "mount",
    "umount",
    "hostname",
    "wait_for_fs",
    "wait_for_file",
    "wait_for_dir",
    "wait_for_mountpoint",
    "wait_for_socket",
    "spinningfifo",
    "unix_signal",
    "exit",
    "print",
    "log",
];

fn advice(verb: &str) -> String {
    /// Edits that still make a slip.
    const SLIP: usize = 2;
    let near = VERBS.iter().map(|known| (strsim::damerau_levenshtein(verb, known), known)).min();
    match near {
        Some((edits, known)) if edits <= SLIP => format!("did you mean `{known}`?"),
        _ => format!("write one of {}", VERBS.join(", ")),
    }
}

fn two<'a>(verb: &str, argument: &'a str, form: &str) -> Result<(&'a str, &'a str), String> {
    let split = argument.trim().split_once(char::is_whitespace);
    split
        .map(|(first, rest)| (first, rest.trim()))
        .ok_or_else(|| format!("`{verb}:{argument}` is not complete; write {verb}:{form}"))
}

fn variable(argument: &str) -> Result<Action, String> {
    match argument.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Action::SetVariable(name.to_owned(), value.to_owned())),
        _ => Err(format!("`putenv:{argument}` has no `=`; write putenv:NAME=value")),
    }
}

/// The verbs whose name ends in `n` add the end of a line.
fn content(verb: &str, argument: &str) -> Result<Action, String> {
    let Some((path, text)) = argument.split_once(' ') else {
        return Err(format!("`{verb}:{argument}` is not complete; write {verb}:PATH TEXT"));
    };
    let path = PathBuf::from(path);
    Ok(match verb {
        "write" => Action::Write(path, text.to_owned()),
        "writen" => Action::Write(path, format!("{text}\n")),
        "append" => Action::Append(path, text.to_owned()),
        "appendn" => Action::Append(path, format!("{text}\n")),
        _ => Action::WriteFifo(path, text.to_owned()),
    })
}

fn mount(argument: &str) -> Result<Mount, String> {
    let mut words = argument.split_whitespace();
    let (Some(kind), Some(source), Some(target)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("`mount:{argument}` is not complete; write mount:TYPE SOURCE TARGET FLAGS"));
    };
    let (flags, data) = flags(words.next())?;
    Ok(Mount { kind: kind.to_owned(), source: source.to_owned(), target: target.into(), flags, data })
}

/// Flags by name, and the rest, which the file system is to understand (`size=10m`).
fn flags(words: Option<&str>) -> Result<(Vec<MountFlag>, String), String> {
    let (mut found, mut data) = (Vec::new(), Vec::new());
    for word in words.unwrap_or_default().split(',').filter(|word| !word.is_empty()) {
        found.push(match word {
            "bind" => MountFlag::Bind,
            "rec" | "rbind" => MountFlag::Recursive,
            "readonly" | "rdonly" | "ro" => MountFlag::ReadOnly,
            "nosuid" => MountFlag::NoSuid,
            "nodev" => MountFlag::NoDevices,
            "noexec" => MountFlag::NoExec,
            "noatime" => MountFlag::NoAccessTime,
            "sync" => MountFlag::Synchronous,
            "remount" => MountFlag::Remount,
            "private" => MountFlag::Private,
            "slave" => MountFlag::Slave,
            "shared" => MountFlag::Shared,
            "move" => MountFlag::Move,
            "detach" | "lazy" => MountFlag::Detach,
            "force" => MountFlag::Force,
            "rw" | "defaults" => continue,
            setting if setting.contains('=') => {
                data.push(setting);
                continue;
            }
            other => return Err(format!("`{other}` is no flag of a mount; remove it")),
        });
        if word == "rbind" {
            found.push(MountFlag::Bind);
        }
    }
    Ok((found, data.join(",")))
}

fn signal(argument: &str) -> Result<Action, String> {
    const MEANINGS: [(&str, SignalOrder); 6] = [
        ("gracefully_kill_them_all", SignalOrder::Stop),
        ("kill_them_all", SignalOrder::Halt),
        ("grace_them_all", SignalOrder::Reload),
        ("reap_them_all", SignalOrder::BrutalReload),
        ("suspend_resume_them_all", SignalOrder::TogglePause),
        ("stats", SignalOrder::Statistics),
    ];
    /// The signals that the master listens to: HUP, INT, QUIT, USR1, USR2, TERM, TSTP.
    const SIGNALS: [i32; 7] = [1, 2, 3, 10, 12, 15, 20];
    let (number, function) = two("unix_signal", argument, "NUMBER FUNCTION")?;
    let number = number.parse().ok().filter(|number| SIGNALS.contains(number)).ok_or_else(|| {
        let known = SIGNALS.map(|number| number.to_string()).join(", ");
        format!("the master listens to the signals {known}; write one of them for `{number}`")
    })?;
    let known = MEANINGS.iter().find(|(name, _)| *name == function);
    known.map(|(_, order)| Action::BindSignal(number, *order)).ok_or_else(|| {
        let names = MEANINGS.map(|(name, _)| name).join(", ");
        format!("there is no function `{function}` here; write one of {names}")
    })
}

fn exit(argument: &str) -> Result<Action, String> {
    match argument.trim() {
        "" => Ok(Action::Exit(0)),
        code => {
            let wrong = || format!("`{code}` is no exit code; write a number from 0 to 255");
            code.parse().map(Action::Exit).map_err(|_| wrong())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Address;

    #[test]
    fn every_verb_is_understood() {
        let path = || PathBuf::from("/a b");
        let cases = [
            ("cd:/a b", Action::ChangeDirectory(path())),
            ("chdir:/a b", Action::ChangeDirectory(path())),
            ("mkdir:/a b", Action::MakeDirectory(path())),
            ("putenv:A=b=c", Action::SetVariable("A".into(), "b=c".into())),
            ("chmod:/a 640", Action::SetMode("/a".into(), 0o640)),
            ("sticky:/a b", Action::SetSticky(path())),
            ("chown:/a nobody nogroup", Action::SetOwner("/a".into(), "nobody".into(), "nogroup".into())),
            ("chown2:/a 1 2", Action::SetOwner("/a".into(), "1".into(), "2".into())),
            ("exec:a: b", Action::Execute("a: b".into())),
            ("safeexec:false", Action::ExecuteSafely("false".into())),
            ("create:/a b", Action::Create(path())),
            ("creat:/a b", Action::Create(path())),
            ("write:/a x  y", Action::Write("/a".into(), "x  y".into())),
            ("writen:/a x", Action::Write("/a".into(), "x\n".into())),
            ("append:/a x", Action::Append("/a".into(), "x".into())),
            ("appendn:/a x", Action::Append("/a".into(), "x\n".into())),
            ("writefifo:/a x", Action::WriteFifo("/a".into(), "x".into())),
            ("unlink:/a b", Action::Remove(path())),
            ("umount:/a detach", Action::Unmount("/a".into(), vec![MountFlag::Detach])),
            ("hostname:me", Action::SetHostName("me".into())),
            ("wait_for_fs:/a b", Action::WaitForPath(path(), PathKind::Any)),
            ("wait_for_file:/a b", Action::WaitForPath(path(), PathKind::File)),
            ("wait_for_dir:/a b", Action::WaitForPath(path(), PathKind::Directory)),
            ("wait_for_socket:/a", Action::WaitForSocket(Address::Unix("/a".into()))),
            ("spinningfifo:/a b", Action::WaitForReader(path())),
            ("unix_signal:15 gracefully_kill_them_all", Action::BindSignal(15, SignalOrder::Stop)),
            ("unix_signal:1  kill_them_all", Action::BindSignal(1, SignalOrder::Halt)),
            ("exit:", Action::Exit(0)),
            ("exit:33", Action::Exit(33)),
            ("print:", Action::Print(String::new())),
            ("log:a:b", Action::Print("a:b".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn a_mount_has_flags_and_settings_of_its_file_system() {
        let Ok(Some(Action::Mount(mount))) = parse("mount:tmpfs none /t nosuid,noexec,size=1m,mode=700")
        else {
            unreachable!("a mount")
        };
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("tmpfs", "none"));
        assert_eq!(mount.flags, [MountFlag::NoSuid, MountFlag::NoExec]);
        assert_eq!(mount.data, "size=1m,mode=700");
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        for (text, part) in [
            ("nothing", "has no action"),
            ("exce:x", "did you mean `exec`"),
            ("call:symbol", "calls a C function inside uWSGI"),
            ("exec:", "needs a command"),
            ("chmod:/a", "write chmod:PATH MODE"),
            ("chmod:/a rwx", "is no mode"),
            ("chown:/a nobody", "PATH USER GROUP"),
            ("putenv:A", "has no `=`"),
            ("write:/a", "write write:PATH TEXT"),
            ("exit:x", "is no exit code"),
            ("exit:300", "is no exit code"),
            ("unix_signal:15", "NUMBER FUNCTION"),
            ("unix_signal:99 kill_them_all", "the master listens to"),
            ("unix_signal:15 nosuch", "gracefully_kill_them_all"),
            ("mount:tmpfs none", "TYPE SOURCE TARGET"),
            ("mount:tmpfs none /x weird", "is no flag"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        assert_eq!(parse("alarm:x y"), Ok(None));
    }
}
