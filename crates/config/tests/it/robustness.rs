//! Nothing that stands in a file, in the environment or on the command line makes the crate panic, hang or grow.

use margrave_config::{MemoryWorld, load, options};

/// A small generator of pseudo-random numbers (xorshift), so that a failure can be repeated from its seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    pub fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

const PIECES: &[&str] = &[
    "%",
    "%(",
    "$(",
    "@(",
    ")",
    "(",
    "\n",
    "=",
    ";",
    "#",
    "[",
    "]",
    " ",
    "%d",
    "%(_)",
    "a",
    "b",
    "8",
    "/",
    ":",
    "é",
    "\"",
    "-1",
    "+",
    "* 2",
    "++",
    ",",
    "true",
    "%k",
    "A",
    "\t",
    "\r",
    "site.ini",
    "%(a b + 3)",
    "$(A:-x)",
    "=x",
    "/a=b",
    "\u{feff}",
];

#[test]
fn no_text_makes_the_parser_panic() {
    let names: Vec<&str> = options::names().collect();
    for seed in 1..=1_000_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut text = String::from("[uwsgi]\n");
        for _ in 0..random.below(30) {
            if random.below(3) > 0 {
                text.push_str(random.pick(&names));
                text.push_str(" = ");
            }
            for _ in 0..random.below(6) {
                text.push_str(random.pick(PIECES));
            }
            text.push('\n');
        }
        let mut world = MemoryWorld::with_files(&[("site.ini", &text)]);
        world.set_env("A", "$(A)%(a)");
        let _ = load(&["margrave".to_owned(), "--ini".to_owned(), "site.ini".to_owned()], &world);
    }
}

#[test]
fn no_bytes_make_the_parser_panic() {
    for seed in 1..=1_000_u64 {
        let mut random = Random(seed.wrapping_mul(0xD134_2543_DE82_EF95));
        let bytes: Vec<u8> =
            (0..random.below(200)).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        let mut world = MemoryWorld::default();
        for (name, start) in [
            ("site.ini", "[uwsgi]\n"),
            ("site.xml", "<uwsgi>"),
            ("site.yaml", "uwsgi:\n "),
            ("site.json", "{\"uwsgi\":"),
            ("site.toml", "[uwsgi]\n"),
        ] {
            world.write(name, &[start.as_bytes(), &bytes].concat());
            let _ = load(&["margrave".to_owned(), name.to_owned()], &world);
        }
    }
}

#[test]
fn no_structure_makes_the_parsers_panic() {
    const STRUCTURE: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "'",
        "\n",
        "\n  ",
        "- ",
        "a",
        "a: 1",
        "\"a\":",
        "<a>",
        "</a>",
        "<a/>",
        "=",
        "&b ",
        "*b",
        "|",
        "#",
        "<![CDATA[",
        "]]>",
        "1",
        "true",
        "%d",
        "---\n",
        "? ",
        "!!x ",
        "<!--",
        "\\u12",
        "é",
    ];
    for seed in 1..=1_000_u64 {
        let mut random = Random(seed.wrapping_mul(0x94D0_49BB_1331_11EB));
        let body: String = (0..random.below(40)).map(|_| random.pick(STRUCTURE)).collect();
        let mut world = MemoryWorld::default();
        for (name, start) in [
            ("s.xml", "<uwsgi>"),
            ("s.yaml", "uwsgi:\n  "),
            ("s.json", "{\"uwsgi\":{"),
            ("s.toml", "[uwsgi]\n"),
        ] {
            world.write(name, format!("{start}{body}").as_bytes());
            let _ = load(&["margrave".to_owned(), name.to_owned()], &world);
        }
    }
}

#[test]
fn no_command_line_makes_the_parser_panic() {
    let names: Vec<&str> = options::names().collect();
    for seed in 1..=1_000_u64 {
        let mut random = Random(seed.wrapping_mul(0xA076_1D64_78BD_642F));
        let mut arguments = vec!["margrave".to_owned()];
        for _ in 0..random.below(8) {
            arguments.push(match random.below(4) {
                0 => format!("--{}", random.pick(&names)),
                1 => format!("--{}={}", random.pick(&names), random.pick(PIECES)),
                2 => format!("-{}{}", random.pick(PIECES), random.pick(PIECES)),
                _ => random.pick(PIECES).to_owned(),
            });
        }
        let _ = load(&arguments, &MemoryWorld::with_files(&[("site.ini", "[uwsgi]\nmaster = true\n")]));
    }
}

#[test]
fn what_could_go_on_for_ever_has_a_bound() {
    let many = "print = x\n".repeat(100_001);
    let doubling: String = (1..40).map(|at| format!("k{at} = x%(k{})%(k{0})\n", at - 1)).collect();
    let doubling = format!("k0 = 0123456789\n{doubling}");
    let wide = format!("big = {}\n{}", "x".repeat(200_000), "k = y%(big)\n".repeat(200));
    let nested = "if-not-env = X\n".repeat(100_000);
    let wide_item = format!("for = {}\nprint = {}\nendfor =", "x".repeat(1_000), "%(_)".repeat(10_000));
    let wide_word = format!("declare-option = o=print={}\no = {}", "$1".repeat(10_000), "x".repeat(10_000));
    let stored = format!("for-times = 9000\nprint = {}\nendfor =", "x".repeat(10_000));
    let tree: String = (1..15)
        .map(|depth| format!("declare-option = o{depth}={}\n", format!("o{}=1;", depth - 1).repeat(10)))
        .collect();
    let tree = format!("declare-option = o0=set-ph=a=b\n{tree}o14 = 1\n");
    let declared: String = (0..1_001).map(|number| format!("declare-option = o{number}=print=x\n")).collect();
    let percent = format!("; {}", "%p".repeat(2_000_000));
    let early: String = (0..10_001).map(|number| format!("ienv = A{number}=b\n")).collect();
    for (text, message) in [
        (doubling.as_str(), "grows without end"),
        (wide.as_str(), "the size of all expanded values in bytes exceeds the bound"),
        ("ini = site.ini", "the depth of files that load one another exceeds the bound of 32"),
        ("include = site.ini", "the depth of files that load one another exceeds the bound of 32"),
        ("inherit = site.ini", "exceeds the bound"),
        ("a = x%(a)", "grows without end"),
        (
            "for-times = 99999999\nprint = %(_)\nendfor =",
            "the number of repetitions exceeds the bound of 10000",
        ),
        ("declare-option = a=b=1;a=2\na = 1", "declared options use one another without end"),
        (nested.as_str(), "the number of blocks within one another exceeds the bound of 64"),
        (wide_item.as_str(), "the length of a value in bytes exceeds the bound"),
        (wide_word.as_str(), "the length of a value in bytes exceeds the bound"),
        (stored.as_str(), "the size of all values in bytes exceeds the bound"),
        (tree.as_str(), "the number of uses of declared options exceeds the bound"),
        (declared.as_str(), "the number of declared options exceeds the bound of 1000"),
        (percent.as_str(), "the text that magic variables bring in, in bytes, exceeds the bound"),
        (early.as_str(), "the number of changes to the environment exceeds the bound of 10000"),
        ("for-times = 10000\nfor-times = 10000\na = b\nendfor =\nendfor =", "the number of options exceeds"),
        (many.as_str(), "the number of options exceeds the bound of 100000"),
    ] {
        let world = MemoryWorld::with_files(&[("site.ini", &format!("[uwsgi]\n{text}\n"))]);
        let error = load(&["margrave".to_owned(), "--ini".to_owned(), "site.ini".to_owned()], &world)
            .expect_err(&text[..text.len().min(40)]);
        assert!(error.to_string().contains(message), "{}: {error}", &text[..text.len().min(40)]);
    }
}

#[test]
fn many_sections_and_headers_are_read_in_time_that_grows_with_them() {
    let text: String = (0..200_000).map(|number| format!("[s{number}\n")).collect();
    let world = MemoryWorld::with_files(&[("site.ini", &text)]);
    let error = load(&["margrave".to_owned(), "site.ini".to_owned()], &world).unwrap_err();
    assert!(error.to_string().contains("name one of those in the file: [s], [s1], "), "{error}");
    assert!(error.diagnostics.len() <= 10_001);
}
