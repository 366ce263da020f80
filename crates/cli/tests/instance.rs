//! Whole instances with a zygote that is not Python's: what the executable does about processes, files and errors.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest time anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running executable, its directory, and what it says.
struct Instance {
    root: tempfile::TempDir,
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

fn root_with(mode: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("mode"), mode).unwrap();
    fs::write(root.path().join("app.py"), "").unwrap();
    root
}

fn command(root: &Path, args: &[&str]) -> Command {
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake");
    let mut command = Command::new(env!("CARGO_BIN_EXE_margrave"));
    command
        .current_dir(root)
        .args(["--http-socket", "127.0.0.1:0", "--wsgi-file", "app.py", "--pidfile", "pid"])
        .args(args)
        .env("PYTHONPATH", fake)
        .env("FAKE_MODE", root.join("mode"))
        .env_remove("MARGRAVE_PACKAGE")
        .env_remove("VIRTUAL_ENV")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

impl Instance {
    fn start(mode: &str, args: &[&str]) -> Self {
        let root = root_with(mode);
        let mut child = command(root.path(), args).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { root, child, lines, said: Vec::new() }
    }

    fn serving(args: &[&str]) -> Self {
        let mut instance = Self::start("ok", args);
        instance.hears("serves after");
        instance
    }

    /// Waits for a line.
    fn hears(&mut self, part: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(_) => panic!("nobody said `{part}`; heard {:#?}", self.said),
            }
        }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    fn mode(&self, mode: &str) {
        fs::write(self.root.path().join("mode"), mode).unwrap();
    }

    fn zygote(&self) -> i32 {
        *children(self.pid()).last().unwrap()
    }

    fn ends(&mut self) -> ExitStatus {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.said.push(line);
        }
        self.child.wait().unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A test that failed leaves nothing running: the liveness pipe takes the others along.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The children of a process, once there are so many.
fn brood(pid: i32, count: usize) -> Vec<i32> {
    let begun = Instant::now();
    loop {
        let found = children(pid);
        if found.len() == count {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{pid} has {found:?}, not {count} children");
        std::thread::yield_now();
    }
}

fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// Waits until a process is no more; init or the master reaps it.
fn is_gone(pid: i32) {
    let begun = Instant::now();
    while Path::new(&format!("/proc/{pid}")).exists() {
        assert!(begun.elapsed() < PATIENCE, "process {pid} lives on");
        std::thread::yield_now();
    }
}

#[test]
fn a_stop_ends_everybody_and_removes_what_was_made() {
    for name in ["TERM", "INT", "QUIT"] {
        let mut instance = Instance::serving(&["--processes", "2", "--socket", "app.sock"]);
        let zygote = instance.zygote();
        let workers = brood(zygote, 2);
        assert!(instance.file("app.sock").exists());
        assert_eq!(fs::read_to_string(instance.file("pid")).unwrap(), format!("{}\n", instance.pid()));
        instance.signal(name);
        assert_eq!(instance.ends().code(), Some(0), "{name}");
        assert!(!instance.file("app.sock").exists() && !instance.file("pid").exists());
        workers.into_iter().chain([zygote]).for_each(is_gone);
    }
}

#[test]
fn reloads_change_the_generation_and_leave_no_descriptor_behind() {
    let mut instance = Instance::serving(&["--processes", "2"]);
    instance.signal("HUP");
    instance.hears("generation 2 serves");
    let before = {
        let old = instance.zygote();
        instance.signal("HUP");
        instance.hears("generation 3 serves");
        is_gone(old);
        descriptors(instance.pid())
    };
    for generation in 4..10 {
        let old = instance.zygote();
        instance.signal("HUP");
        instance.hears(&format!("generation {generation} serves"));
        is_gone(old);
    }
    // The master hears of the last of the old processes a moment after they are gone.
    let begun = Instant::now();
    while descriptors(instance.pid()) > before + 1 {
        assert!(begun.elapsed() < PATIENCE, "descriptors pile up");
        std::thread::yield_now();
    }
    instance.signal("TERM");
    assert_eq!(instance.ends().code(), Some(0));
}

#[test]
fn a_reload_that_does_not_load_leaves_the_old_workers_serving() {
    for mode in ["load-failed", "exit", "worker-dies"] {
        let mut instance = Instance::serving(&[]);
        let zygote = instance.zygote();
        let workers = children(zygote);
        instance.mode(mode);
        instance.signal("HUP");
        instance.hears("generation 2 failed, the old one serves on");
        assert_eq!(children(zygote), workers, "{mode}");
        instance.mode("ok");
        instance.signal("HUP");
        instance.hears("generation 3 serves");
        instance.signal("INT");
        assert_eq!(instance.ends().code(), Some(0));
    }
}

#[test]
fn an_application_that_does_not_load_ends_with_22_and_a_dead_interpreter_with_1() {
    for (mode, python, code, said) in [
        ("load-failed", "python3", 22, "app.py did not load"),
        ("exit", "python3", 22, "exited with code 3 while it loaded the application"),
        ("ok", "false", 1, "exited with code 1 before the application was loaded"),
    ] {
        let mut instance = Instance::start(mode, &["--socket", "app.sock", "--python", python]);
        assert_eq!(instance.ends().code(), Some(code), "{mode}: {:?}", instance.said);
        assert!(instance.said.iter().any(|line| line.contains(said)), "{mode}: {:?}", instance.said);
        assert!(!instance.file("app.sock").exists() && !instance.file("pid").exists());
    }
}

#[test]
fn a_killed_worker_comes_back_and_a_killed_zygote_is_replaced() {
    let mut instance = Instance::serving(&["--processes", "2"]);
    let zygote = instance.zygote();
    let worker = brood(zygote, 2)[0];
    signal(worker, "KILL");
    instance.hears("was killed by signal 9");
    is_gone(worker);
    signal(zygote, "KILL");
    instance.hears("the zygote was ended by SIGKILL");
    instance.hears("generation 2 serves");
    brood(instance.zygote(), 2);
    instance.signal("TERM");
    assert_eq!(instance.ends().code(), Some(0));
}

#[test]
fn when_the_master_is_killed_everybody_goes() {
    let mut instance = Instance::serving(&["--processes", "2"]);
    let zygote = instance.zygote();
    let workers = brood(zygote, 2);
    instance.signal("KILL");
    instance.ends();
    workers.into_iter().chain([zygote]).for_each(is_gone);
}

#[test]
fn a_worker_that_does_not_end_is_killed_after_its_mercy() {
    let mut instance = Instance::start("stubborn", &["--reload-mercy", "1", "--worker-reload-mercy", "1"]);
    instance.hears("serves after");
    instance.signal("TERM");
    instance.hears("did not end in time and was killed");
    assert_eq!(instance.ends().code(), Some(0));
}

#[test]
fn stop_and_reload_find_the_instance_by_its_pidfile() {
    let mut instance = Instance::serving(&["--term-reloads"]);
    let order = |option: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_margrave"));
        command.args([option, "pid"]).current_dir(instance.root.path()).output().unwrap()
    };
    assert!(order("--reload").status.success());
    instance.hears("generation 2 serves");
    instance.signal("TERM");
    instance.hears("generation 3 serves");
    let stop = Command::new(env!("CARGO_BIN_EXE_margrave"))
        .args(["--stop", "pid"])
        .current_dir(instance.root.path())
        .output()
        .unwrap();
    assert!(stop.status.success());
    assert_eq!(instance.ends().code(), Some(0));
}

#[test]
fn a_service_manager_hears_of_readiness_reload_and_stop() {
    let root = root_with("ok");
    let manager = UnixDatagram::bind(root.path().join("manager")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut buffer = [0; 1024];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut child =
        command(root.path(), &[]).env("NOTIFY_SOCKET", root.path().join("manager")).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    assert!(heard().starts_with(&format!("READY=1\nMAINPID={pid}\n")));
    signal(pid, "HUP");
    assert!(heard().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(heard().starts_with("READY=1\n"));
    signal(pid, "TERM");
    assert!(heard().starts_with("STOPPING=1\n"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_daemon_lets_its_command_wait_until_it_serves_or_has_failed() {
    let root = root_with("ok");
    let daemon = ["--daemonize", "log", "--stats", "127.0.0.1:0"];
    let started = command(root.path(), &daemon).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    let pid: i32 = fs::read_to_string(root.path().join("pid")).unwrap().trim().parse().unwrap();
    signal(pid, "TERM");
    is_gone(pid);
    assert!(!root.path().join("pid").exists());
    // A thread writes the log: only at the end is everything certain to be in it.
    assert!(fs::read_to_string(root.path().join("log")).unwrap().contains("serves after"));

    for (mode, code, said) in [
        ("load-failed", 22, "app.py did not load"),
        ("worker-dies", 1, "exited with code 3 before it was ready"),
    ] {
        let root = root_with(mode);
        let failed = command(root.path(), &daemon).output().unwrap();
        assert_eq!(failed.status.code(), Some(code), "{mode}");
        assert!(String::from_utf8_lossy(&failed.stderr).contains(said), "{failed:?}");
        assert!(!root.path().join("pid").exists());
    }
}

#[test]
fn a_port_in_use_is_one_sentence_and_nothing_is_left() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut instance = Instance::start("ok", &["--socket", "app.sock", "--http-socket", &address]);
    assert_eq!(instance.ends().code(), Some(1));
    let line = format!("{address} is in use by another process; stop it or choose another address");
    assert!(instance.said.iter().any(|said| said.contains(&line)), "{:?}", instance.said);
    assert!(!instance.file("app.sock").exists() && !instance.file("pid").exists());
}
