//! Recorded runs of uWSGI 2.0.31 (`testdata/uwsgi-cases.json`) against this crate.

use margrave_config::settings::OptValue;
use margrave_config::{Command, MemoryWorld, load};
use serde_json::Value;
use std::collections::BTreeMap;

const CASES: &str = include_str!("../../testdata/uwsgi-cases.json");

/// How an outcome differs.
enum Difference {
    /// These lines are printed and the exit code is 0.
    Prints(&'static [&'static str]),
    /// These lines are printed and the exit code is 1: what follows them names nothing to serve.
    PrintsAndEnds(&'static [&'static str]),
    /// Each line beginning like the first of a pair ends like the line beginning like the second.
    Copies(&'static [(&'static str, &'static str)]),
    /// It is an error.
    Fails,
}

/// Cases whose outcome differs on purpose, and why.
const INTENDED: &[(&str, Difference, &str)] = &[
    (
        "positional-relative",
        Difference::Copies(&[
            ("O=", "o="),
            ("P=", "p="),
            ("S=", "s="),
            ("D=", "d="),
            ("E=", "e="),
            ("N=", "n="),
            ("C=", "c="),
            ("I=", "i="),
            ("J=", "j="),
        ]),
        "positional files fill the uppercase variables, as the manual of uWSGI promises",
    ),
    ("nested-ini-in-positional", Difference::Prints(&["b n=b N=m", VERSION]), "the same"),
    (
        "include-section",
        Difference::Prints(&["inc-prod", VERSION]),
        "`include` takes a section, as `ini` does",
    ),
    (
        "inherit-section",
        Difference::Prints(&["inc-prod", VERSION]),
        "`inherit` takes a section, as `ini` does",
    ),
    (
        "env-expansion",
        Difference::Prints(&[
            "va xva [$(NOPE)] [dflt] [d2] [] [] [d4] $HOME $$ va",
            "$(A)",
            "xva",
            "xva",
            "$(A)",
            "zz zz",
            VERSION,
        ]),
        "defaults of variables, which uWSGI has since 2.1",
    ),
    (
        "env-default-dash",
        Difference::Prints(&["[a-b:c]", "[]", VERSION]),
        "defaults of variables, without the cuts and the crash of uWSGI 2.1",
    ),
    (
        "section-comment",
        Difference::Prints(&["a", VERSION]),
        "a comment behind a section name is seen, with a warning",
    ),
    ("bom", Difference::Prints(&["x", VERSION]), "a byte order mark is skipped, with a warning"),
    ("logic-nested2", Difference::Prints(&["x a", "x b", VERSION]), "blocks may stand within blocks"),
    (
        "logic-hostname",
        Difference::Prints(&["host vm", "match", "nothost", "has python python", "no plugin", VERSION]),
        "regular expressions on the host name match",
    ),
    (
        "hostname-match-pcre2",
        Difference::Prints(&["match", VERSION]),
        "regular expressions on the host name match",
    ),
    (
        "colon-in-path",
        Difference::Prints(&["<{root}/a:b/m.ini> <>", VERSION]),
        "a colon in a directory splits only when there is a file before it",
    ),
    (
        "yaml-basic",
        Difference::PrintsAndEnds(&["yaml m", "quoted # x", "b"]),
        "YAML is read as by uWSGI with libyaml: quotes are taken off and nothing after a list is lost",
    ),
    (
        "json-positional",
        Difference::Prints(&["json", VERSION]),
        "JSON is read, as by uWSGI with jansson, which the recorded build lacked",
    ),
    ("env-arrays", Difference::Fails, "a block without end is an error instead of swallowing the rest"),
];

/// Cases about what this crate does not do, or that another test has.
const SKIPPED: &[(&str, &str)] = &[
    (
        "config-opt",
        "`config` goes by the suffix here; in uWSGI it knows only the formats of plugins, and fails",
    ),
    ("fallback-config", "needs a second start of the executable, which conformance/config makes"),
    ("emperor-vassal-templates", "see `vassals_and_their_templates_see_the_variables_that_uwsgi_gives_them`"),
    ("py-magic-table", "see `python_sees_options_and_magic_variables_as_in_uwsgi`"),
];

const VERSION: &str = margrave_config::UWSGI_VERSION;

/// Where the cases were recorded; paths in them are as long as they were.
fn root(name: &str) -> String {
    format!("/tmp/h1c/{name}")
}

fn world(case: &Value) -> MemoryWorld {
    let name = case["name"].as_str().unwrap();
    let root = root(name);
    let fill = |text: &str| text.replace("{root}", &root).replace("{binary}", "/uwsgi");
    let mut world = MemoryWorld {
        cwd: fill(case["cwd"].as_str().unwrap()),
        hostname: "vm".to_owned(),
        user: (0, "root".to_owned()),
        group: (0, "root".to_owned()),
        executable: "/uwsgi".to_owned(),
        ..MemoryWorld::default()
    };
    world.set_env("HOME", "/root");
    world.write(&format!("{root}/.keep"), b"");
    for (path, text) in case["files"].as_object().unwrap() {
        let path = if path.starts_with('/') { path.clone() } else { format!("{root}/{path}") };
        world.write(&path, fill(text.as_str().unwrap()).as_bytes());
    }
    for (path, target) in case["symlinks"].as_object().unwrap() {
        world.links.insert(format!("{root}/{path}"), fill(target.as_str().unwrap()));
    }
    for pair in case["env"].as_array().unwrap() {
        world.set_env(pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    }
    world.stdin = case["stdin"].as_str().unwrap_or_default().as_bytes().to_vec();
    world.commands = commands(case, &root);
    world
}

/// Shell commands of the cases and what they print.
fn commands(case: &Value, root: &str) -> BTreeMap<String, Vec<u8>> {
    let file = |name: &str| case["files"][name].as_str().unwrap_or_default().to_owned();
    let script = file("gen.sh");
    let here_document = script.split("\"E\"\n").nth(1).unwrap_or_default().trim_end_matches("E\n").to_owned();
    let known = [
        (format!("{root}/gen.sh"), here_document),
        ("echo hi".to_owned(), "hi\n".to_owned()),
        ("cat ./m.ini".to_owned(), file("m.ini")),
        ("printf \"[uwsgi]\\nprint=x\\n\"".to_owned(), "[uwsgi]\nprint=x\n".to_owned()),
    ];
    known.into_iter().map(|(command, output)| (command, output.into_bytes())).collect()
}

struct Outcome {
    printed: Vec<String>,
    code: i32,
    shown: Option<String>,
    message: String,
}

fn run(case: &Value) -> Outcome {
    let root = root(case["name"].as_str().unwrap());
    let words =
        case["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().replace("{root}", &root));
    match load(&words.collect::<Vec<_>>(), &world(case)) {
        Ok(loaded) => {
            let mut printed = loaded.output;
            let code = match loaded.command {
                Command::Version => {
                    printed.push(margrave_config::UWSGI_VERSION.to_owned());
                    0
                }
                Command::Exit(code) => code,
                // uWSGI ends these cases itself: they have no socket.
                _ => 1,
            };
            let message = loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            Outcome { printed, code, shown: loaded.shown, message }
        }
        Err(error) => Outcome {
            code: error.exit_code(),
            message: error.to_string(),
            printed: error.output,
            shown: error.shown,
        },
    }
}

fn differ(difference: &Difference, recorded: &[String], root: &str) -> (Vec<String>, i32) {
    match difference {
        Difference::Fails => (Vec::new(), 1),
        Difference::Prints(lines) => (lines.iter().map(|line| line.replace("{root}", root)).collect(), 0),
        Difference::PrintsAndEnds(lines) => (lines.iter().map(|line| (*line).to_owned()).collect(), 1),
        Difference::Copies(pairs) => {
            let line_of = |start: &str| recorded.iter().find_map(|line| line.strip_prefix(start)).unwrap();
            let copy = |line: &String| match pairs.iter().find(|(start, _)| line.starts_with(start)) {
                Some((start, source)) => format!("{start}{}", line_of(source)),
                None => line.clone(),
            };
            (recorded.iter().map(copy).collect(), 0)
        }
    }
}

/// Inode numbers are the recording machine's own.
fn without_inodes(lines: Vec<String>) -> Vec<String> {
    let is_inode = |line: &str| line.starts_with("i=<") || line.starts_with("I=<");
    lines
        .into_iter()
        .map(
            |line| {
                if is_inode(&line) && line != "i=<>" && line != "I=<>" { "inode".to_owned() } else { line }
            },
        )
        .collect()
}

/// The configuration that uWSGI showed, without its first and last line.
fn shown(case: &Value) -> Option<String> {
    let lines: Vec<&str> =
        case["stderr"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let start = lines.iter().position(|line| line.ends_with("instance configuration"))?;
    let end = lines.iter().position(|line| *line == ";end of configuration")?;
    Some(lines[start + 1..end].join("\n"))
}

#[test]
fn recorded_runs_of_uwsgi_come_out_the_same() {
    let document: Value = serde_json::from_str(CASES).unwrap();
    let names: Vec<&Value> = document["cases"].as_array().unwrap().iter().map(|case| &case["name"]).collect();
    let listed = INTENDED.iter().map(|(name, ..)| name).chain(SKIPPED.iter().map(|(name, _)| name));
    for name in listed {
        assert!(names.iter().any(|known| *known == name), "there is no case {name}");
    }
    let mut failures = Vec::new();
    let mut checked = 0;
    for case in document["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if SKIPPED.iter().any(|(skipped, _)| *skipped == name) {
            continue;
        }
        checked += 1;
        let root = root(name);
        let fill =
            |line: &Value| line.as_str().unwrap().replace("{root}", &root).replace("{binary}", "/uwsgi");
        let mut expected: Vec<String> = case["observed"].as_array().unwrap().iter().map(fill).collect();
        let mut code = i32::try_from(case["exit_code"].as_i64().unwrap_or(1)).unwrap();
        if let Some((_, difference, _)) = INTENDED.iter().find(|(intended, ..)| *intended == name) {
            (expected, code) = differ(difference, &expected, &root);
        }
        let outcome = run(case);
        // A print may have several lines.
        let printed: Vec<String> = outcome.printed.join("\n").split('\n').map(str::to_owned).collect();
        let printed = if outcome.printed.is_empty() { Vec::new() } else { printed };
        let shown_here = outcome.shown.map(|text| {
            text.lines()
                .skip(1)
                .filter(|line| *line != ";end of configuration")
                .collect::<Vec<_>>()
                .join("\n")
        });
        let shown_there = shown(case);
        let is_same = without_inodes(printed.clone()) == without_inodes(expected.clone())
            && outcome.code == code
            && (shown_there.is_none() || shown_here == shown_there);
        if !is_same {
            failures.push(format!(
                "{name}:\n  here  {} {printed:?}\n  uWSGI {code} {expected:?}\n  here  {shown_here:?}\n  uWSGI {shown_there:?}\n  {}",
                outcome.code, outcome.message
            ));
        }
    }
    assert!(failures.is_empty(), "{} of {checked} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn python_sees_options_and_magic_variables_as_in_uwsgi() {
    let document: Value = serde_json::from_str(CASES).unwrap();
    let cases = document["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == "py-magic-table").unwrap();
    let recorded: Vec<&str> =
        case["stderr"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let words = case["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());
    let loaded = load(&words.collect::<Vec<_>>(), &world(case)).unwrap();

    let opt = loaded.settings.opt.iter().map(|(key, value)| match value {
        OptValue::Flag => format!("'{key}': True"),
        OptValue::Text(value) => format!("'{key}': b'{value}'"),
    });
    let opt = format!("{{{}}}", opt.collect::<Vec<_>>().join(", "));
    assert!(recorded.contains(&opt.as_str()), "{opt}\n{recorded:?}");

    let root = root("py-magic-table");
    let table = recorded.iter().find(|line| line.starts_with("[(b'%'")).unwrap();
    for (letter, value) in &loaded.settings.magic {
        let value = value.replace(&root, "{root}").replace("/uwsgi", "{binary}").replace('\u{1b}', "\\x1b");
        let entry = format!("(b'{letter}', b'{value}')");
        let differs_by_machine = "iItT".contains(*letter);
        assert!(differs_by_machine || table.contains(&entry), "{entry} is not in {table}");
    }
    assert_eq!(
        table.matches("(b'").count(),
        loaded.settings.magic.len(),
        "{table}\n{:?}",
        loaded.settings.magic
    );
}

#[test]
fn vassals_and_their_templates_see_the_variables_that_uwsgi_gives_them() {
    let document: Value = serde_json::from_str(CASES).unwrap();
    let cases = document["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["name"] == "emperor-vassal-templates").unwrap();
    let root = root("emperor-vassal-templates");
    let mut world = world(case);
    world.cwd = format!("{root}/v");
    world.set_env("UWSGI_EMPEROR_FD", "7");
    // How the emperor started the vassal, which the recording shows.
    let command = format!(
        "uwsgi --include {root}/t/incb.ini --set vset=emp-set --ini my.app.ini --inherit {root}/t/inh.ini --include {root}/t/inc.ini --need-app=false"
    );
    let words: Vec<String> = command.split(' ').map(str::to_owned).collect();
    let printed = load(&words, &world).unwrap().output;

    let recorded = case["observed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap().replace("{root}", &root));
    let is_printed =
        |line: &String| ["incb", "vas", "args", "inc", "inh"].iter().any(|start| line.starts_with(start));
    let first_attempt: Vec<String> = recorded.filter(is_printed).take(printed.len()).collect();
    assert_eq!(printed, first_attempt);
}
