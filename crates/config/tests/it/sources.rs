//! Sources beside files: commands, descriptors, addresses, the executable, databases; and what is read only once.

use margrave_config::{Command, Loaded, MemoryWorld, load};

fn run(words: &[&str], world: &MemoryWorld) -> Result<Loaded, String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    load(&words, world).map_err(|error| error.to_string())
}

fn check(words: &[&str], world: &MemoryWorld, printed: &[&str]) -> Loaded {
    let loaded = run(words, world).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    assert_eq!(loaded.output, printed, "{words:?}");
    loaded
}

fn warnings(loaded: &Loaded) -> String {
    loaded.diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const TEXT: &[u8] = b"[uwsgi]\nprint = %o|%n\nversion = true\n[s]\nprint = s\nversion = true\n";

#[test]
fn every_scheme_gives_a_text_with_sections_and_without_the_variables_of_a_file() {
    let mut world = MemoryWorld { appended: vec![b"x".to_vec(), TEXT.to_vec()], ..MemoryWorld::default() };
    world.pages.insert("http://host:80/a.ini".to_owned(), TEXT.to_vec());
    world.pages.insert("https://host/a".to_owned(), TEXT.to_vec());
    world.sections.insert(".app".to_owned(), TEXT.to_vec());
    world.commands.insert("cat f".to_owned(), TEXT.to_vec());
    world.descriptors.insert(7, TEXT.to_vec());
    for source in
        ["http://host:80/a.ini", "https://host/a", "data://1", "section://.app", "exec://cat f", "fd://7"]
    {
        check(&["margrave", "--ini", source], &world, &[&format!("{source}|")]);
        check(&["margrave", "--ini", &format!("{source}:s")], &world, &["s"]);
    }
    check(&["margrave", "http://host:80/a.ini"], &world, &["http://host:80/a.ini|"]);
    check(&["margrave", "--print", "x@(data://0)", "--version"], &world, &["xx"]);
}

#[test]
fn rows_of_a_database_are_options() {
    let mut world = MemoryWorld::with_files(&[("a/c.db", "")]);
    let row = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let all = vec![row("print", "%n %%n x%(late)"), row("%n", "1"), row("late", "y"), row("version", "1")];
    let path = "/srv/a/c.db".to_owned();
    world.databases.insert((path.clone(), "SELECT * FROM uwsgi".to_owned()), all);
    let query = "SELECT k, strftime('%H:%M') FROM t";
    world.databases.insert((path, query.to_owned()), vec![row("print", "q"), row("version", "1")]);
    check(&["margrave", "--sqlite", "a/c.db"], &world, &["c %n xy"]);
    check(&["margrave", "--sqlite3", &format!("a/c.db:{query}")], &world, &["q"]);
    let error = run(&["margrave", "--sqlite", "a/c.db:SELECT"], &world).unwrap_err();
    assert!(error.starts_with("command line: cannot read a/c.db: "), "{error}");
}

#[test]
fn mistakes_in_a_database_are_named_by_row() {
    let mut world = MemoryWorld::with_files(&[("c.db", "")]);
    let rows = [("module", "app"), ("proceses", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    world.databases.insert(("/srv/c.db".to_owned(), "SELECT * FROM uwsgi".to_owned()), rows.to_vec());
    let loaded = check(&["margrave", "--sqlite", "c.db"], &world, &[]);
    assert!(warnings(&loaded).contains("c.db:2: proceses: there is no such option"), "{}", warnings(&loaded));
}

#[test]
fn output_of_a_failed_command_is_read_with_a_warning() {
    let mut world = MemoryWorld::default();
    world.commands.insert("gen".to_owned(), TEXT.to_vec());
    world.failures.insert("gen".to_owned(), "exit status: 3".to_owned());
    let loaded = check(&["margrave", "--ini", "exec://gen"], &world, &["exec://gen|"]);
    assert!(warnings(&loaded).contains("`gen` failed (exit status: 3)"), "{}", warnings(&loaded));
}

#[test]
fn what_was_read_to_its_end_is_empty_the_second_time() {
    let mut world = MemoryWorld { stdin: b"[uwsgi]\nprint = in\n".to_vec(), ..MemoryWorld::default() };
    world.descriptors.insert(3, b"[uwsgi]\nprint = three\n".to_vec());
    let words =
        ["margrave", "--ini", "-", "--ini", "-", "--ini", "fd://0", "--ini", "fd://3", "--ini", "fd://3"];
    let loaded = check(&[words.as_slice(), &["--version"]].concat(), &world, &["in", "three"]);
    let said = warnings(&loaded);
    assert_eq!(said.matches("standard input has been read to its end").count(), 2, "{said}");
    assert!(said.contains("`fd://3` has been read to its end"), "{said}");
}

#[test]
fn hosts_are_resolved_when_they_are_read() {
    let mut world = MemoryWorld::default();
    world.hosts.insert("db".to_owned(), [10, 0, 0, 7].into());
    check(&["margrave", "--print", "x%(a)", "--resolve", "a=db", "--version"], &world, &["x10.0.0.7"]);
    let error = run(&["margrave", "--resolve", "a=none"], &world).unwrap_err();
    assert!(error.contains("resolve: the host `none` has no address"), "{error}");
}

#[test]
fn a_file_for_the_executable_is_a_command() {
    let loaded = run(&["margrave", "--binary-append-data", "a.ini"], &MemoryWorld::default()).unwrap();
    assert_eq!(loaded.command, Command::AppendData("a.ini".into()));
}

#[test]
fn lines_printed_after_a_wrong_setting_are_not_printed() {
    let words =
        ["margrave", "--print", "before", "--chmod-socket=9", "--print", "after", "--iprint", "first"];
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let error = load(&words, &MemoryWorld::default()).unwrap_err();
    assert_eq!(error.output, ["first", "before"]);
}

#[test]
fn all_that_is_read_together_is_bounded() {
    let large = format!("[x]\n{}", "a = b\n".repeat(600_000));
    let includes = "include = large.ini\n".repeat(100);
    let world = MemoryWorld::with_files(&[("m.ini", &format!("[uwsgi]\n{includes}")), ("large.ini", &large)]);
    let error = run(&["margrave", "m.ini"], &world).unwrap_err();
    assert!(error.contains("the size of all files read, in bytes, exceeds the bound"), "{error}");
}
