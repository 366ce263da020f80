//! Each action on real files in a directory of its own.

use super::*;
use std::os::unix::fs::FileTypeExt;

struct Stage {
    root: tempfile::TempDir,
    scene: Scene,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let scene = Scene { directory: Some(root.path().to_owned()), ..Scene::default() };
        Self { root, scene }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn done(&mut self, action: Action) -> Effect {
        self.scene.perform(&action).unwrap_or_else(|error| panic!("{action:?}: {error}"))
    }

    fn error(&mut self, action: Action) -> String {
        self.scene.perform(&action).expect_err("an error").to_string()
    }
}

#[test]
fn files_are_made_written_changed_and_removed() {
    let mut stage = Stage::new();
    stage.done(Action::MakeDirectory("d".into()));
    stage.done(Action::Create("d/f".into()));
    stage.done(Action::Append("d/f".into(), "a".into()));
    stage.done(Action::Append("d/f".into(), "b\n".into()));
    assert_eq!(stage.text("d/f"), "ab\n");
    stage.done(Action::Write("d/f".into(), "c".into()));
    assert_eq!(stage.text("d/f"), "c");
    stage.done(Action::SetMode("d/f".into(), 0o640));
    stage.done(Action::SetSticky("d/f".into()));
    assert_eq!(fs::metadata(stage.path("d/f")).unwrap().mode() & 0o7777, 0o1640);
    let (uid, gid) = crate::process::user_and_group();
    stage.done(Action::SetOwner("d/f".into(), uid.to_string(), gid.to_string()));
    stage.done(Action::Remove("d/f".into()));
    assert!(!stage.path("d/f").exists());
    assert!(stage.error(Action::MakeDirectory("d".into())).contains("make the directory d"));
    assert!(stage.error(Action::Remove("d/f".into())).contains("remove d/f"));
    assert!(
        stage.error(Action::SetOwner("d".into(), "no such one".into(), "0".into())).contains("no such one")
    );
}

#[test]
fn a_directory_and_variables_reach_the_commands_that_follow() {
    let mut stage = Stage::new();
    stage.done(Action::MakeDirectory("d".into()));
    stage.done(Action::ChangeDirectory("d".into()));
    stage.done(Action::SetVariable("KEY".into(), "one".into()));
    stage.done(Action::SetVariable("KEY".into(), "two words".into()));
    stage.done(Action::Execute("echo \"$KEY\" > out".into()));
    assert_eq!(stage.text("d/out"), "two words\n");
    assert!(stage.error(Action::ChangeDirectory("nowhere".into())).contains("nowhere"));
}

#[test]
fn a_command_that_fails_is_an_error_unless_it_is_run_safely() {
    let mut stage = Stage::new();
    assert_eq!(stage.error(Action::Execute("exit 3".into())), "the command `exit 3` exited with code 3");
    assert!(stage.error(Action::Execute("kill -9 $$".into())).contains("SIGKILL"));
    assert_eq!(stage.done(Action::ExecuteSafely("exit 3".into())), Effect::None);
}

#[test]
fn the_first_usable_shell_runs_commands() {
    let mut stage = Stage::new();
    let shell = stage.path("shell");
    fs::write(&shell, "#!/bin/sh\necho \"mine: $2\" > out\n").unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    stage.scene.shells = vec!["/no/such/shell".into(), shell];
    stage.done(Action::Execute("true".into()));
    assert_eq!(stage.text("out"), "mine: true\n");
}

#[test]
fn what_is_waited_for_is_found_or_missed_in_time() {
    let mut stage = Stage::new();
    fs::write(stage.path("f"), "").unwrap();
    stage.done(Action::WaitForPath("f".into(), PathKind::File));
    stage.done(Action::WaitForPath(".".into(), PathKind::Directory));
    stage.done(Action::WaitForPath("/proc".into(), PathKind::MountPoint));
    let late = stage.error(Action::WaitForPath("f".into(), PathKind::Directory));
    assert!(late.starts_with("the directory ") && late.ends_with("is not there after 0 s"), "{late}");
    assert!(stage.scene.perform(&Action::WaitForPath("f".into(), PathKind::MountPoint)).is_err());
    let listener = std::os::unix::net::UnixListener::bind(stage.path("s")).unwrap();
    stage.done(Action::WaitForSocket(Address::Unix(stage.path("s"))));
    drop(listener);
    assert!(stage.scene.perform(&Action::WaitForSocket(Address::Unix(stage.path("s")))).is_err());
    assert!(wait_for_interface("lo", 0).is_ok());
    assert!(wait_for_interface("no-such-interface", 0).is_err());
}

#[test]
fn a_fifo_is_written_to_when_somebody_reads_it() {
    let mut stage = Stage::new();
    let status = Command::new("mkfifo").arg(stage.path("p")).status().unwrap();
    assert!(status.success() && fs::metadata(stage.path("p")).unwrap().file_type().is_fifo());
    assert!(stage.error(Action::WriteFifo("p".into(), "x".into())).contains("FIFO p"));
    assert!(stage.scene.perform(&Action::WaitForReader("p".into())).is_err());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let mut reader = File::from(rustix::fs::open(stage.path("p"), flags, Mode::empty()).unwrap());
    stage.done(Action::WaitForReader("p".into()));
    stage.done(Action::WriteFifo("p".into(), "hello".into()));
    let mut text = String::new();
    io::Read::read_to_string(&mut reader, &mut text).unwrap();
    assert_eq!(text, "hello");
}

#[test]
fn what_concerns_the_whole_process_is_left_to_the_caller() {
    let mut stage = Stage::new();
    assert_eq!(stage.done(Action::Print("hi".into())), Effect::Print("hi".into()));
    assert_eq!(stage.done(Action::Exit(3)), Effect::Exit(3));
    let bound = stage.done(Action::BindSignal(15, SignalOrder::Stop));
    assert_eq!(bound, Effect::BindSignal(15, SignalOrder::Stop));
}
