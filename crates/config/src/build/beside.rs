//! Programs and commands at times beside the workers: `attach-daemon`, `cron` and their relatives.

use super::values::Values;
use crate::loader::Setting;
use crate::settings::{BesideSettings, CronSettings, DaemonSettings};
use crate::values;
use std::time::Duration;

/// `SIGTERM`.
const TERMINATE: i32 = 15;

pub fn build(values: &mut Values<'_>) -> BesideSettings {
    BesideSettings { daemons: daemons(values), crons: crons(values) }
}

fn daemons(values: &mut Values<'_>) -> Vec<DaemonSettings> {
    const PLAIN: [&str; 2] = ["attach-daemon", "attach-control-daemon"];
    const SMART: [&str; 2] = ["smart-attach-daemon", "smart-attach-daemon2"];
    let keeps_stdin = values.flag("daemons-honour-stdin").unwrap_or(false);
    let mut list = Vec::new();
    for setting in values.all(&[PLAIN[0], PLAIN[1], SMART[0], SMART[1], "attach-daemon2"]) {
        let text = setting.text().trim();
        let name = setting.row.name();
        let mut daemon = DaemonSettings { stop_signal: TERMINATE, keeps_stdin, ..DaemonSettings::default() };
        let parsed = if name == "attach-daemon2" {
            keyed(&mut daemon, text)
        } else if SMART.contains(&name) {
            daemon.daemonizes = name == SMART[0];
            match text.split_once(char::is_whitespace) {
                Some((pidfile, command)) => {
                    daemon.pidfile = Some(pidfile.into());
                    daemon.command = command.trim().to_owned();
                    Ok(())
                }
                None => Err(format!("`{text}` has no command; write a pidfile, a blank, and the command")),
            }
        } else {
            daemon.control = name == PLAIN[1];
            daemon.command = text.to_owned();
            Ok(())
        };
        match parsed {
            Err(message) => values.error(setting, message),
            Ok(()) if daemon.command.is_empty() => values.error(setting, "the command is missing"),
            Ok(()) => list.push(daemon),
        }
    }
    list
}

/// `key=value,key=value`; a comma that belongs to a value has a backslash in front.
fn keyed(daemon: &mut DaemonSettings, text: &str) -> Result<(), String> {
    for piece in pieces(text) {
        let Some((key, value)) = piece.split_once('=') else {
            return Err(format!(
                "`{piece}` has no `=`; write key=value, and `\\,` for a comma that belongs to a value"
            ));
        };
        let value = value.trim();
        match key.trim() {
            "cmd" | "command" | "exec" => value.clone_into(&mut daemon.command),
            "pidfile" => daemon.pidfile = Some(value.into()),
            "freq" => daemon.frequency = Some(Duration::from_secs(values::whole_number(value)?.0.max(1))),
            "control" => daemon.control = is_on(value),
            "daemonize" | "daemon" => daemon.daemonizes = is_on(value),
            "stopsignal" | "stop_signal" => daemon.stop_signal = signal(value)?,
            "reloadsignal" | "reload_signal" => daemon.reload_signal = Some(signal(value)?),
            "uid" => daemon.uid = Some(value.to_owned()),
            "gid" => daemon.gid = Some(value.to_owned()),
            "chdir" => daemon.chdir = Some(value.into()),
            "stdin" => daemon.keeps_stdin = is_on(value),
            "max_throttle" => {
                daemon.max_throttle = Some(Duration::from_secs(values::whole_number(value)?.0));
            }
            "touch" => daemon.touch.extend(value.split(';').map(Into::into)),
            "ns_pid" => {
                return Err(
                    "`ns_pid` is not here: let the command enter a namespace, as `unshare --pid --fork COMMAND`"
                        .to_owned(),
                );
            }
            "legion" => {
                return Err("there are no legions here: attach the program to one instance only".to_owned());
            }
            other => {
                return Err(format!(
                    "there is no key `{other}`; write cmd, pidfile, freq, control, daemonize, stopsignal, reloadsignal, uid, gid, chdir, stdin, max_throttle or touch"
                ));
            }
        }
    }
    Ok(())
}

fn pieces(text: &str) -> Vec<String> {
    let mut list = vec![String::new()];
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&',') => {
                letters.next();
                if let Some(last) = list.last_mut() {
                    last.push(',');
                }
            }
            ',' => list.push(String::new()),
            other => {
                if let Some(last) = list.last_mut() {
                    last.push(other);
                }
            }
        }
    }
    list.retain(|piece| !piece.trim().is_empty());
    list
}

fn is_on(value: &str) -> bool {
    values::truth(value)
}

/// A signal by number or name.
fn signal(text: &str) -> Result<i32, String> {
    const NAMES: [(&str, i32); 9] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", 15),
        ("CONT", 18),
        ("WINCH", 28),
    ];
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
    let number = known.or_else(|| text.parse().ok().filter(|number| (1..=64).contains(number)));
    number
        .ok_or_else(|| format!("`{text}` is no signal; write a number from 1 to 64, or a name such as TERM"))
}

fn crons(values: &mut Values<'_>) -> Vec<CronSettings> {
    let harakiri = values.seconds("cron-harakiri");
    let mut list = Vec::new();
    for setting in values.all(&["cron", "unique-cron", "cron2"]) {
        let parsed = match setting.row.name() {
            "cron2" => with_keys(setting.text()),
            name => with_numbers(setting.text()).map(|cron| CronSettings { unique: name != "cron", ..cron }),
        };
        list.extend(kept(values, setting, parsed).map(|mut cron| {
            cron.harakiri = cron.harakiri.or(harakiri);
            cron
        }));
    }
    list
}

fn kept(
    values: &mut Values<'_>,
    setting: &Setting,
    parsed: Result<CronSettings, String>,
) -> Option<CronSettings> {
    match parsed.and_then(within_bounds) {
        Ok(cron) => Some(cron),
        Err(message) => {
            values.error(setting, message);
            None
        }
    }
}

const EVERY: i32 = -1;

fn blank() -> CronSettings {
    CronSettings {
        minute: EVERY,
        hour: EVERY,
        day: EVERY,
        month: EVERY,
        week: EVERY,
        command: String::new(),
        unique: false,
        harakiri: None,
    }
}

/// `minute hour day month week command`.
fn with_numbers(text: &str) -> Result<CronSettings, String> {
    let (mut numbers, mut rest) = ([EVERY; 5], text.trim());
    for number in &mut numbers {
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        *number = time(word)?;
        rest = behind.trim_start();
    }
    let [minute, hour, day, month, week] = numbers;
    Ok(CronSettings { minute, hour, day, month, week, command: rest.to_owned(), ..blank() })
}

fn time(word: &str) -> Result<i32, String> {
    word.parse().map_err(|_| match word {
        "*" => "`*` is -1 here; write the numbers minute, hour, day, month and week, and the command".to_owned(),
        every if every.starts_with("*/") => format!("`{every}` is -{} here", &every[2..]),
        list if list.contains([',', '-']) && list.starts_with(|first: char| first.is_ascii_digit()) => {
            format!("`{list}` is neither -1 nor a number; write one `cron` for each, since lists and ranges are not understood")
        }
        _ => format!("`{word}` is no number; write minute, hour, day, month, week and the command, with -1 for every"),
    })
}

/// `minute=..,hour=..,unique=1 command`.
fn with_keys(text: &str) -> Result<CronSettings, String> {
    let mut cron = blank();
    let text = text.trim();
    let first = text.split_whitespace().next().unwrap_or_default();
    let has_keys = first.split(',').all(|piece| piece.contains('='));
    let (keys, command) = match text.split_once(char::is_whitespace).filter(|_| has_keys) {
        Some((keys, command)) => (keys, command.trim()),
        None => ("", text),
    };
    command.clone_into(&mut cron.command);
    for piece in keys.split(',').filter(|piece| !piece.is_empty()) {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        match key {
            "minute" => cron.minute = time(value)?,
            "hour" => cron.hour = time(value)?,
            "day" => cron.day = time(value)?,
            "month" => cron.month = time(value)?,
            "week" => cron.week = time(value)?,
            "unique" => cron.unique = is_on(value),
            "harakiri" => {
                let seconds = values::whole_number(value)?.0;
                cron.harakiri = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            "legion" => {
                return Err("there are no legions here: run the command on one machine only".to_owned());
            }
            other => {
                return Err(format!(
                    "there is no key `{other}`; write minute, hour, day, month, week, unique or harakiri"
                ));
            }
        }
    }
    Ok(cron)
}

fn within_bounds(cron: CronSettings) -> Result<CronSettings, String> {
    if cron.command.is_empty() {
        return Err("the command is missing; write minute, hour, day, month, week and the command".to_owned());
    }
    let bounds = [
        ("minute", cron.minute, 0, 59),
        ("hour", cron.hour, 0, 23),
        ("day", cron.day, 1, 31),
        ("month", cron.month, 1, 12),
        ("week", cron.week, 0, 7),
    ];
    for (name, number, least, most) in bounds {
        if number >= 0 && !(least..=most).contains(&number) {
            return Err(format!(
                "the {name} {number} never comes; write {least} to {most}, -1 for every, -N for every Nth"
            ));
        }
    }
    Ok(cron)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crons_are_read_in_both_forms() {
        let five = |cron: &CronSettings| [cron.minute, cron.hour, cron.day, cron.month, cron.week];
        let cron = with_numbers("  -5  2 -1 12 7   echo  a,b=c ").unwrap();
        assert_eq!((five(&cron), cron.command.as_str()), ([-5, 2, -1, 12, 7], "echo  a,b=c"));
        let cron = with_keys("minute=-3,week=0,unique=1,harakiri=9 do it=now").unwrap();
        assert_eq!((five(&cron), cron.command.as_str()), ([-3, -1, -1, -1, 0], "do it=now"));
        assert_eq!((cron.unique, cron.harakiri), (true, Some(Duration::from_secs(9))));
        assert_eq!(with_keys("run me").unwrap(), CronSettings { command: "run me".into(), ..blank() });
        for (text, part) in [
            ("* * * * * x", "`*` is -1 here"),
            ("*/5 -1 -1 -1 -1 x", "`*/5` is -5 here"),
            ("1,2 -1 -1 -1 -1 x", "one `cron` for each"),
            ("1 2 3 4", "is no number"),
            ("1 2 3 4 5", "the command is missing"),
            ("61 -1 -1 -1 -1 x", "the minute 61 never comes"),
            ("0 -1 0 -1 -1 x", "the day 0 never comes"),
        ] {
            let message = with_numbers(text).and_then(within_bounds).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
        assert!(with_keys("legion=a x").unwrap_err().contains("no legions"));
        assert!(with_keys("minuet=1 x").unwrap_err().contains("no key `minuet`"));
    }

    #[test]
    fn every_key_of_a_daemon_is_understood() {
        let mut daemon = DaemonSettings::default();
        let text = r"cmd=a\,b -c,pidfile=/p,freq=3,control=1,daemonize=0,stopsignal=SIGINT,reloadsignal=1,uid=u,gid=g,chdir=/d,stdin=1,max_throttle=9,touch=/a;/b";
        keyed(&mut daemon, text).unwrap();
        let expected = DaemonSettings {
            command: "a,b -c".into(),
            pidfile: Some("/p".into()),
            daemonizes: false,
            frequency: Some(Duration::from_secs(3)),
            control: true,
            stop_signal: 2,
            reload_signal: Some(1),
            uid: Some("u".into()),
            gid: Some("g".into()),
            chdir: Some("/d".into()),
            keeps_stdin: true,
            max_throttle: Some(Duration::from_secs(9)),
            touch: vec!["/a".into(), "/b".into()],
        };
        assert_eq!(daemon, expected);
        for (text, part) in [
            ("cmd=a,b", "has no `=`"),
            ("stopsignal=99", "is no signal"),
            ("ns_pid=1", "unshare"),
            ("legion=x", "no legions"),
            ("what=1", "no key `what`"),
        ] {
            let message = keyed(&mut DaemonSettings::default(), text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
