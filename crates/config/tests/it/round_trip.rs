//! What `show-config` shows is a configuration that means the same: it is read to the same settings, and shown alike.

use crate::robustness::Random;
use margrave_config::options::{self, Argument, Kind, OptionRow, Status};
use margrave_config::{Loaded, MemoryWorld, load};
use std::fmt::Write as _;

/// Lines that stand for one, some or no options once they have been read. Declared options are not among them, since they
/// act past the table that is shown, nor expressions in `set-ph`, which uWSGI shows unexpanded.
const LOGIC: &[&str] = &[
    "if-env = A\nenv = IF=%(_)\nendif =",
    "if-not-env = A\nenv = NOT=x\nelse =\nenv = ELSE=%(_)\nendif =",
    "for = a b\nenv = FOR%(_)=%(_)\nendfor =",
    "for-times = 2\nif-file = site.ini\nplaceholder-%(_) = x\nendif =\nend =",
    "set = set-by-set=x%(base)",
    "set-ph = kept=x",
    "include = other.ini",
    "base = 100%%",
    "env = SUM=%(four * 2) $(A) @(content)",
    "env = LEFT=%(unknown) $(UNKNOWN) %%d",
];

fn value(row: &OptionRow, random: &mut Random) -> Option<&'static str> {
    Some(match row.kind {
        Kind::Flag => random.pick(&["true", "false", "", "0"]),
        Kind::Integer | Kind::Bytes | Kind::Megabytes | Kind::Seconds | Kind::Milliseconds => {
            random.pick(&["1", "20", "%(four)"])
        }
        Kind::Mode => "660",
        Kind::Path => random.pick(&["/srv/a b", "%(base)/x", "x\"y'z"]),
        _ => return None,
    })
}

fn text(seed: u64) -> String {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let rows: Vec<&OptionRow> = options::rows()
        .filter(|row| {
            row.status == Status::Works && row.directive.is_none() && row.argument != Argument::Optional
        })
        .collect();
    let mut text = String::from("[uwsgi]\nmodule = app\nfour = 4\n");
    for _ in 0..random.below(20) {
        if random.below(3) == 0 {
            writeln!(text, "{}", random.pick(LOGIC)).unwrap();
            continue;
        }
        let row = rows[random.below(rows.len())];
        if let Some(value) = value(row, &mut random) {
            writeln!(text, "{} = {value}", random.pick(row.names)).unwrap();
        }
    }
    text
}

fn read(text: &str) -> Option<Loaded> {
    let mut world = MemoryWorld::with_files(&[
        ("site.ini", text),
        ("other.ini", "[uwsgi]\nenv = INCLUDED=%n\nif-opt = four\nmaster = true\nendif =\n"),
        ("app.py", ""),
        ("content", "c\n"),
    ]);
    world.set_env("A", "v");
    let words = ["margrave", "--ini", "site.ini", "--show-config"].map(str::to_owned);
    // What does not load has nothing to show: another seed's text will.
    load(&words, &world).ok()
}

/// What was shown, as a file: without what has done its work, and with percent signs that stand for themselves.
fn again(loaded: &Loaded) -> String {
    let shown = loaded.shown.as_deref().unwrap();
    let is_setting = |line: &&str| {
        let key = line.split_once(" = ").map_or(*line, |(key, _)| key);
        options::find(key).is_none_or(|row| row.directive.is_none())
    };
    let lines = shown.lines().filter(is_setting).map(|line| line.replace('%', "%%") + "\n");
    lines.collect()
}

#[test]
fn what_is_shown_is_read_to_the_same_settings_and_shown_alike() {
    let mut compared = 0;
    for seed in 1..=700 {
        let text = text(seed);
        let Some(first) = read(&text) else { continue };
        let shown = again(&first);
        let second = read(&shown).unwrap_or_else(|| panic!("seed {seed}: {text}\nis shown as\n{shown}"));
        compared += 1;
        assert_eq!(again(&second), shown, "seed {seed}: {text}");
        // These also hold what has done its work, and the file itself.
        let mut expected = first.settings;
        expected.opt = second.settings.opt.clone();
        expected.magic = second.settings.magic.clone();
        let mut expected = serde_json::to_value(&expected).unwrap();
        let mut found = serde_json::to_value(&second.settings).unwrap();
        without_origins(&mut expected);
        without_origins(&mut found);
        assert_eq!(found, expected, "seed {seed}: {text}\n{shown}");
    }
    assert!(compared > 150, "only {compared} texts were configurations");
}

/// Lines move when blocks are gone.
fn without_origins(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.remove("origin");
            members.values_mut().for_each(without_origins);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(without_origins),
        _ => {}
    }
}
