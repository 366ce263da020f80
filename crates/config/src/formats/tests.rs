//! One text a row for each format: the pairs with their lines, or what is said about it.

use super::*;
use std::sync::Arc;

fn read(format: Format, text: &str, section: Option<&str>) -> (Result<Parsed, Diagnostic>, Vec<Diagnostic>) {
    let file: Arc<str> = Arc::from("f");
    let lines: Vec<Line> = (1..)
        .zip(text.split('\n'))
        .map(|(line, text)| Line { origin: Origin::File { file: file.clone(), line }, text: text.to_owned() })
        .collect();
    let mut findings = Vec::new();
    let parsed = parse(format, &lines, Selection { section, mode: None }, &mut findings);
    (parsed, findings)
}

/// Each pair as `line key=value`, then each finding.
fn shown(format: Format, text: &str, section: Option<&str>) -> Vec<String> {
    let (parsed, findings) = read(format, text, section);
    let mut shown = Vec::new();
    let mut missing = None;
    match parsed {
        Ok(parsed) => {
            let line = |pair: &Pair| pair.origin.line().unwrap_or(0);
            shown.extend(
                parsed.pairs.iter().map(|pair| format!("{} {}={}", line(pair), pair.key, pair.value)),
            );
            missing = parsed.missing;
        }
        Err(error) => shown.push(error.to_string()),
    }
    shown.extend(findings.iter().chain(&missing).map(ToString::to_string));
    shown
}

/// A text and what it holds: pairs exactly; findings by their beginning.
#[track_caller]
fn check(format: Format, text: &str, expected: &[&str]) {
    check_section(format, text, None, expected);
}

#[track_caller]
fn check_section(format: Format, text: &str, section: Option<&str>, expected: &[&str]) {
    let shown = shown(format, text, section);
    let fits = shown.len() == expected.len()
        && shown.iter().zip(expected).all(|(shown, wanted)| match wanted.strip_suffix("...") {
            Some(beginning) => shown.starts_with(beginning),
            None => shown == wanted,
        });
    assert!(fits, "{text}\n{shown:#?}");
}

#[test]
fn json_values_are_read_as_jansson_gives_them() {
    check(
        Format::Json,
        r#"{"uwsgi": {
  "http": ":8000", "master": true,
  "vacuum": false,
  "processes": 4, "x": null, "ratio": 1.5,
  "env": ["A=1",
          "B=\u00e9\ud83d\ude00\n2"],
  "on": [true, 3]
}, "other": {"http": "x"}}"#,
        &[
            "2 http=:8000",
            "2 master=1",
            "3 vacuum=0",
            "4 processes=4",
            "4 x=0",
            "4 ratio=1.5",
            "5 env=A=1",
            "6 env=B=é😀\n2",
            "7 on=1",
            "7 on=3",
        ],
    );
    check(Format::Json, r#"{"uwsgi":{"a":1,"b":2,"a":3}}"#, &["1 a=1", "1 b=2", "1 a=3"]);
    check_section(Format::Json, r#"{"uwsgi":{"a":1},"prod":{"a":2}}"#, Some("prod"), &["1 a=2"]);
}

#[test]
fn json_that_cannot_be_used_is_named_by_line() {
    check(
        Format::Json,
        "{\"uwsgi\": {\n\"env\": {\"A\": 1},\n\"b\": [[1]],\"c\":2}}",
        &["3 c=2", "f:2: env: an option takes a text or a list of texts...", "f:3: b: an option takes..."],
    );
    check(Format::Json, "{\"a\": 1,\n}", &["f:2: this is no JSON at column 1: trailing comma..."]);
    check(
        Format::Json,
        "[1]",
        &["f:1: this is no JSON at column 0: invalid type: sequence, expected an object..."],
    );
    check(Format::Json, "{\"uwsgi\":\n[1]}", &["f:2: this is no JSON..."]);
    check(Format::Json, "", &["f:1: this is no JSON at column 0: EOF..."]);
    check(
        Format::Json,
        "{\"a\": {}}",
        &["f: there is no section \"uwsgi\", so nothing is read; name one of those in the file: \"a\""],
    );
    check(
        Format::Json,
        "{}",
        &["f: there is no section \"uwsgi\", so nothing is read; begin the file with..."],
    );
}

#[test]
fn toml_values_keep_the_order_of_the_file() {
    check(
        Format::Toml,
        "title = 1\n[uwsgi]\nprocesses = 4 # four\nhttp = ':8000'\nmaster = true\nvacuum = false\nenv = [\n  'A=1',\n  \"B=\\u00e9\",\n]\nchmod-socket = 0o660\nbuffer-size = 0x8000\nlimit-post = 1_000\nratio = 1.5\n[prod]\nhttp = 'x'\n",
        &[
            "3 processes=4",
            "4 http=:8000",
            "5 master=1",
            "6 vacuum=0",
            "8 env=A=1",
            "9 env=B=é",
            "11 chmod-socket=660",
            "12 buffer-size=32768",
            "13 limit-post=1000",
            "14 ratio=1.5",
        ],
    );
    check_section(Format::Toml, "[uwsgi]\na=1\n[prod]\na=2", Some("prod"), &["4 a=2"]);
}

#[test]
fn toml_that_cannot_be_used_is_named_by_line() {
    check(Format::Toml, "[uwsgi]\n[uwsgi.env]\nA = '1'", &["f:2: env: an option takes a text..."]);
    check(Format::Toml, "[uwsgi]\nenv = {A = 1}", &["f:2: env: an option takes a text..."]);
    check(Format::Toml, "[uwsgi]\nb = [[1]]", &["f:2: b: an option takes a text..."]);
    check(Format::Toml, "[uwsgi]\na = 1\na = 2", &["f:3: this is no TOML: duplicate key..."]);
    check(Format::Toml, "[uwsgi]\nhttp = :8000\n", &["f:2: this is no TOML: ..."]);
    check(
        Format::Toml,
        "uwsgi = 1",
        &["f:1: uwsgi: this is no table; write [uwsgi] on a line of its own..."],
    );
    check(
        Format::Toml,
        "x = 1\n[b]\n[a]\n",
        &["f: there is no section [uwsgi], so nothing is read; name one of those in the file: [b], [a]"],
    );
}

#[test]
fn yaml_lists_repeat_the_key_and_quotes_are_taken_off() {
    check(
        Format::Yaml,
        "# c\nuwsgi:\n  http: :8000\n  master: true\n  module: \"quoted # x\"\n  chdir: /b # inline\n  env:\n   - A=1\n   - 'B=2'\n  static-map: [/a=/b, \"/c=/d\"]\n  vacuum:\nother:\n  http: wrong\n  deep: {a: [1, {b: 2}]}\n",
        &[
            "3 http=:8000",
            "4 master=true",
            "5 module=quoted # x",
            "6 chdir=/b",
            "8 env=A=1",
            "9 env=B=2",
            "10 static-map=/a=/b",
            "10 static-map=/c=/d",
            "11 vacuum=",
        ],
    );
    check(Format::Yaml, "---\nuwsgi:\n a: 1\n a: 2\n", &["3 a=1", "4 a=2"]);
    check(Format::Yaml, "x: [1]\nuwsgi: {a: 1}\n---\nuwsgi:\n  b: 2\n", &["2 a=1", "5 b=2"]);
    check(Format::Yaml, "uwsgi:\n", &[]);
    check(Format::Yaml, "uwsgi:\n  eval: |\n    a = 1\n    b = 2\n", &["2 eval=a = 1\nb = 2\n"]);
    check_section(Format::Yaml, "uwsgi:\n  a: 1\nprod:\n  a: 2\n", Some("prod"), &["4 a=2"]);
}

#[test]
fn yaml_that_cannot_be_used_is_named_by_line() {
    check(Format::Yaml, "uwsgi:\n  env:\n    A: 1\n", &["f:2: env: an option takes a text or a list..."]);
    check(
        Format::Yaml,
        "uwsgi:\n  env:\n   - A: 1\n",
        &["f:3: env: a list of an option holds texts only..."],
    );
    check(Format::Yaml, "uwsgi:\n  - a: 1\n", &["f:1: uwsgi: options are wanted here..."]);
    check(Format::Yaml, "uwsgi: x\n", &["f:1: uwsgi: options are wanted here..."]);
    check(Format::Yaml, "uwsgi:\n  b: &b 1\n  a: *b\n", &["f:3: a: aliases such as..."]);
    check(Format::Yaml, "uwsgi:\n  [a]: 1\n", &["f:2: the name of an option is a text..."]);
    check(Format::Yaml, "uwsgi:\n  a: 'x\n", &["f:2: this is no YAML at column ..."]);
    check(Format::Yaml, "uwsgi:\n  a: 1\n\tb: 2\n", &["f:2: this is no YAML at column ..."]);
    check(Format::Yaml, "[uwsgi]\na = 1\n", &["f:2: this is no YAML ..."]);
    check(
        Format::Yaml,
        "http = :8000\n",
        &["f:1: a YAML configuration is a mapping; begin it with `uwsgi:`..."],
    );
    check(
        Format::Yaml,
        "a: 1\nb:\n - 2\n",
        &["f: there is no section uwsgi:, so nothing is read; name one of those in the file: a, b"],
    );
    check(Format::Yaml, "", &["f: there is no section uwsgi:, so nothing is read; begin the file with..."]);
}

#[test]
fn xml_elements_are_options() {
    check(
        Format::Xml,
        "<?xml version=\"1.0\"?>\n<uwsgi>\n<http>:8000</http>\n<master/>\n<print> sp aces </print><!-- c --><processes>2</processes>\n<foo><![CDATA[c<d]]></foo>\n<env>A=&lt;1&amp;&#233;</env>\n<![CDATA[import x]]>\n</uwsgi>",
        &[
            "3 http=:8000",
            "4 master=1",
            "5 print= sp aces ",
            "5 processes=2",
            "6 foo=c<d",
            "7 env=A=<1&é",
            "8 eval=\nimport x\n",
        ],
    );
    check(Format::Xml, "<root><x/><uwsgi><a>1</a></uwsgi></root>", &["1 a=1"]);
    check(
        Format::Xml,
        "<uwsgi>\n<app mountpoint=\"/x\">\n<script>app</script></app></uwsgi>",
        &["2 mount=/x=app"],
    );
}

#[test]
fn xml_ids_choose_blocks_and_elements() {
    let two = "<r>\n<uwsgi id=\"a\"><x>1</x></uwsgi>\n<uwsgi id=\"b\"><x>2</x></uwsgi></r>";
    check_section(Format::Xml, two, Some("b"), &["3 x=2"]);
    check_section(Format::Xml, two, None, &["2 x=1"]);
    check_section(
        Format::Xml,
        two,
        Some("c"),
        &[
            "f: there is no <uwsgi id=\"c\"> that holds options; name one of those in the file: <uwsgi id=\"a\">, <uwsgi id=\"b\">",
        ],
    );
    let one = "<uwsgi><x>1</x><y id=\"p\">2</y><y id=\"q\">3</y></uwsgi>";
    check_section(Format::Xml, one, Some("q"), &["1 x=1", "1 y=3"]);
    check_section(Format::Xml, one, None, &["1 x=1", "1 y=2", "1 y=3"]);
}

#[test]
fn xml_that_cannot_be_used_is_named_by_line() {
    check(
        Format::Xml,
        "<uwsgi>\n<a>x<b>y</b>z</a>\n<env><A>1</A></env></uwsgi>",
        &["2 a=x", "f:2: a: only the text before <b> counts...", "f:3: env: an option holds text only..."],
    );
    check(Format::Xml, "<uwsgi>\n<a>1</b></uwsgi>", &["f:2: this is no XML: ..."]);
    check(
        Format::Xml,
        "<!DOCTYPE x [<!ENTITY a \"b\">]>\n<uwsgi/>",
        &["f:1: entities that a file declares..."],
    );
    check(Format::Xml, "<!DOCTYPE x>\n<uwsgi/>", &[]);
    check(
        Format::Xml,
        "<uwsgi>\n<a><!-- b -->c<!-- d -->e</a></uwsgi>",
        &[
            "2 a=c",
            "f:2: a: the comment before the text...",
            "f:2: a: only the text before the comment counts...",
        ],
    );
    check(Format::Xml, "", &["f:1: this is no XML: ..."]);
    check(
        Format::Xml,
        "<r/>",
        &["f: there is no <uwsgi> that holds options; make it the root of the file, or a child of the root"],
    );
}

#[test]
fn deep_nesting_ends_in_a_value_or_an_error() {
    let deep = 200_000;
    for (format, text) in [
        (Format::Json, format!("{{\"uwsgi\":{}", "[".repeat(deep))),
        (Format::Json, format!("{{\"x\":{}{},\"uwsgi\":{{}}}}", "[".repeat(deep), "]".repeat(deep))),
        (Format::Toml, format!("[uwsgi]\na = {}", "[".repeat(deep))),
        (Format::Toml, format!("[{}]\n", vec!["a"; deep].join("."))),
        (Format::Xml, format!("<uwsgi>{}</uwsgi>", "<a>".repeat(deep))),
        (Format::Xml, format!("<uwsgi>{}{}</uwsgi>", "<a>".repeat(deep), "</a>".repeat(deep))),
        (Format::Yaml, format!("x: {}", "[".repeat(deep))),
        (Format::Yaml, format!("x: {}{}", "[".repeat(2_000), "]".repeat(2_000))),
        (Format::Yaml, format!("x: {}", "{a: ".repeat(2_000))),
        (Format::Yaml, "- ".repeat(deep)),
        (Format::Yaml, (0..1_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
    ] {
        let _ = read(format, &text, None);
    }
}
