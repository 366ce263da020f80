//! `margrave check --fix`: what is mended, what stays as it is, and that the copy is clean of what could be mended.

use margrave_config::MemoryWorld;
use margrave_config::check::{CheckRequest, FixReport, correct};

fn run(files: &[(&str, &str)], arguments: &str) -> Result<FixReport, String> {
    let words: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
    correct(&CheckRequest::parse(&words)?, &MemoryWorld::with_files(files), false)
}

/// The text of the only copy.
#[track_caller]
fn corrected(name: &str, text: &str) -> String {
    let report = run(&[(name, text), ("app.py", "")], &format!("--fix {name}")).unwrap();
    assert_eq!(report.corrected.len(), 1, "{report:?}");
    assert_eq!(report.corrected[0].target.as_deref(), Some(format!("{name}.fixed").as_str()));
    report.corrected[0].text.clone()
}

#[test]
fn every_slip_of_an_ini_file_is_mended_and_all_else_stays() {
    let before = "\u{feff}[uwsgi] ; main\r
; a note\r
module = \"app:application\"\r
\r
vaccum = true\r
proesses = 4 ; four\r
static-map /static = %d/static\r
env NAME=$(X:-y)/x\r
master true\r
listen = 1k\r
my_own = 50%%\r
// old\r
threads: 2\r
--harakiri = 20\r
http = http://127.0.0.1:8000/\r
disable-logging = \"false\"\r
";
    let after = "; main\r
[uwsgi]\r
; a note\r
module = app:application\r
\r
vacuum = true\r
; four\r
processes = 4\r
static-map = /static=%d/static\r
env = NAME=$(X:-y)/x\r
master = true\r
listen = 1024\r
set-placeholder = my_own=50%%\r
; // old\r
threads = 2\r
harakiri = 20\r
http = 127.0.0.1:8000\r
disable-logging = false\r
";
    assert_eq!(corrected("site.ini", before), after);
    let report = run(&[("site.ini", after), ("app.py", "")], "--fix site.ini").unwrap();
    assert!(report.corrected.is_empty(), "{:?}", report.corrected);
    assert_eq!((report.report.errors, report.report.warnings), (0, 0), "{}", report.text);
}

#[test]
fn other_formats_are_mended_where_a_line_says_enough() {
    for (name, before, after) in [
        (
            "s.yaml",
            "uwsgi:\n  module: app # note\n  vaccum: true\n  processes: 2 ; two\n",
            "uwsgi:\n  module: app # note\n  vacuum: true\n  # two\n  processes: 2\n",
        ),
        (
            "s.json",
            "{\"uwsgi\": {\n \"module\": \"app\",\n \"vaccum\": true,\n \"listen\": \"1k\"}}",
            "{\"uwsgi\": {\n \"module\": \"app\",\n \"vacuum\": true,\n \"listen\": \"1024\"}}",
        ),
        (
            "s.toml",
            "[uwsgi] # all\nmodule = \"app\"\nvaccum = true\nprocesses = \"2 ; two\"\n",
            "[uwsgi] # all\nmodule = \"app\"\nvacuum = true\n# two\nprocesses = \"2\"\n",
        ),
        (
            "s.xml",
            "<uwsgi>\n <module>app</module>\n <vaccum/>\n <proesses>4</proesses>\n</uwsgi>\n",
            "<uwsgi>\n <module>app</module>\n <vacuum/>\n <processes>4</processes>\n</uwsgi>\n",
        ),
    ] {
        assert_eq!(corrected(name, before), after, "{name}");
    }
}

#[test]
fn what_cannot_be_mended_is_left_and_reported() {
    let text = "[uwsgi]\nmodule = app\nprocesses = many\nchown = www-data\nvaccum = 1\n";
    let report = run(&[("s.ini", text), ("app.py", "")], "--fix s.ini").unwrap();
    assert_eq!(
        report.corrected[0].text,
        "[uwsgi]\nmodule = app\nprocesses = many\nchown = www-data\nvacuum = 1\n"
    );
    assert_eq!(report.corrected[0].repairs, 1);
    assert_eq!((report.report.errors, report.report.warnings, report.report.exit_code), (1, 1, 2));
    assert!(report.text.contains("`many` is no number"), "{}", report.text);
}

#[test]
fn repair_that_would_bring_an_error_is_not_made() {
    let text = "[uwsgi]\nmodule = app\nproesses = many\n";
    let report = run(&[("s.ini", text), ("app.py", "")], "--fix s.ini").unwrap();
    assert!(report.corrected.is_empty(), "{:?}", report.corrected);
    assert_eq!(report.report.warnings, 1);
}

#[test]
fn included_files_get_copies_too_and_one_output_is_not_enough_for_two() {
    let files = [
        ("a.ini", "[uwsgi]\nmodule = app\ninclude = b.ini\nvaccum = 1\n"),
        ("b.ini", "[uwsgi]\nproesses = 2\n"),
        ("app.py", ""),
    ];
    let report = run(&files, "--fix a.ini").unwrap();
    let copies: Vec<(&str, usize)> =
        report.corrected.iter().map(|copy| (copy.file.as_str(), copy.repairs)).collect();
    assert_eq!(copies, [("a.ini", 1), ("b.ini", 1)]);
    assert!(run(&files, "--fix -o c.ini a.ini").unwrap_err().contains("2 files have to be corrected"));
}

#[test]
fn output_may_be_named_or_standard_output() {
    let files = [("a.ini", "[uwsgi]\nmodule = app\nvaccum = 1\n"), ("app.py", "")];
    let target = |arguments: &str| run(&files, arguments).unwrap().corrected[0].target.clone();
    assert_eq!(target("--fix -o new.ini a.ini").as_deref(), Some("new.ini"));
    assert_eq!(target("--fix -o - a.ini"), None);
    let clean = run(&[("a.ini", "[uwsgi]\nmodule = app\n")], "--fix -o - a.ini").unwrap();
    assert_eq!(
        (clean.corrected[0].repairs, clean.corrected[0].text.as_str()),
        (0, "[uwsgi]\nmodule = app\n")
    );
    assert!(run(&files, "-o new.ini a.ini").unwrap_err().contains("needs --fix"));
}

#[test]
fn thousands_of_slips_are_mended_in_one_round() {
    let slips: String = (0..5_000).map(|at| format!("env NAME{at} = {at} ; note\n")).collect();
    let text = format!("[uwsgi]\nmodule = app\n{slips}");
    let report = run(&[("s.ini", &text), ("app.py", "")], "--fix s.ini").unwrap();
    assert_eq!(report.report.warnings, 0, "{}", &report.text[..2_000]);
    assert!(report.corrected[0].text.contains("; note\nenv = NAME4999=4999\n"));
}

/// A small generator: the same seed gives the same damage.
fn damaged(text: &str, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (bound.max(1) as u64)).unwrap()
    };
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..4 {
        let at = next(characters.len());
        match next(4) {
            0 if !characters.is_empty() => drop(characters.remove(at)),
            1 => characters.insert(at, [';', '"', '=', ' ', '[', '\r', '%', 'x'][next(8)]),
            2 if characters.len() > 1 => characters.swap(at, at.saturating_sub(1)),
            _ => characters.insert(at, '\n'),
        }
    }
    characters.into_iter().collect()
}

/// Whatever a file holds, a copy is as good as it gets: correcting it again changes nothing, and no error has come.
#[test]
fn correcting_twice_changes_nothing_more() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/configurations");
    let mut corrected = 0;
    for folder in ["patterns", "more"] {
        for file in std::fs::read_dir(format!("{directory}/{folder}")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let original = std::fs::read_to_string(&path).unwrap();
            for seed in 0..5 {
                let text = if seed == 0 { original.clone() } else { damaged(&original, seed) };
                let before = run(&[(&name, &text)], &format!("--elsewhere --fix {name}")).unwrap();
                let Some(copy) = before.corrected.first() else { continue };
                corrected += 1;
                let again = run(&[(&name, &copy.text)], &format!("--elsewhere --fix {name}")).unwrap();
                assert!(
                    again.corrected.is_empty(),
                    "{name} with seed {seed}: {text:?}\n{:?}",
                    again.corrected
                );
                assert_eq!(again.report.errors, before.report.errors, "{name} with seed {seed}: {text:?}");
            }
        }
    }
    assert!(corrected > 20, "only {corrected} files had something to correct");
}
