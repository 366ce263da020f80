//! The deployment patterns of real files (`testdata/patterns`): each must load, and only what is not built yet may warn.

use crate::run;
use margrave_config::MemoryWorld;

#[test]
fn patterns_of_real_files_load() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/patterns");
    let mut failures = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut world = MemoryWorld::with_files(&[(name.as_str(), text.as_str()), ("hello.py", "")]);
        world.set_env("PORT", "8080");
        count += 1;
        match run(&world, &format!("margrave --ini {name}")) {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok(loaded) => failures.extend(
                loaded.diagnostics.iter().map(|finding| format!("{name}: {finding}")).filter(|text| {
                    !text.contains("not built yet") && !text.contains("put the comment on a line of its own")
                }),
            ),
        }
    }
    assert!(count >= 25, "only {count} patterns");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
