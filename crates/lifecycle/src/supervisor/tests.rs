//! What the supervisor does, story by story.

use super::*;
use alloc::string::ToString;
use alloc::vec;

/// A supervisor with a clock and a list of what it said.
struct Story {
    supervisor: Supervisor,
    now: Duration,
    next_pid: i32,
}

impl Story {
    fn new() -> Self {
        Self { supervisor: Supervisor::new(1), now: Duration::from_secs(100), next_pid: 1000 }
    }

    fn tell(&mut self, event: Event) -> Vec<Command> {
        let mut commands = Vec::new();
        self.supervisor.handle(self.now, event, &mut commands);
        commands
    }

    fn wait(&mut self, time: Duration) -> Vec<Command> {
        self.now += time;
        self.tell(Event::Timeout)
    }

    /// Makes the workers of fork commands exist and be ready; everything that was commanded on the way.
    fn grow(&mut self, commands: &[Command]) -> Vec<Command> {
        let mut said = Vec::new();
        for id in forks(commands) {
            self.next_pid += 1;
            said.extend(self.tell(Event::Forked { id, pid: self.next_pid }));
            said.extend(self.tell(Event::WorkerReady(id)));
        }
        said
    }

    /// Starts an instance and brings it to serve.
    fn serving(policy: Policy) -> Self {
        let mut story = Self::new();
        assert_eq!(story.tell(Event::Start(policy)), [Command::SpawnZygote { generation: 1, like: None }]);
        let commands = story.tell(Event::ZygoteReady(1));
        assert_eq!(story.grow(&commands), [Command::Serving(1)]);
        story.now += Duration::from_secs(60);
        story
    }

    fn gone(&mut self, id: ForkId) -> Vec<Command> {
        self.tell(Event::WorkerExited { id, ended: Ended::Exit(0) })
    }
}

fn forks(commands: &[Command]) -> Vec<ForkId> {
    let id = |command: &Command| match command {
        Command::Fork { id, .. } => Some(*id),
        _ => None,
    };
    commands.iter().filter_map(id).collect()
}

fn without_notes(commands: Vec<Command>) -> Vec<Command> {
    commands.into_iter().filter(|command| !matches!(command, Command::Note(_))).collect()
}

fn two() -> Policy {
    Policy { workers: 2, ..Policy::default() }
}

fn zygote_gone(generation: u32) -> Event {
    Event::ZygoteGone { generation, why: "was ended by SIGKILL".to_string() }
}

fn mercy() -> Duration {
    Policy::default().mercy
}

#[test]
fn a_reload_switches_only_when_every_new_worker_is_ready() {
    let mut story = Story::serving(two());
    let commands = without_notes(story.tell(Event::Reload(two(), Manner::Graceful)));
    assert_eq!(commands, [Command::SpawnZygote { generation: 2, like: None }]);
    let commands = story.tell(Event::ZygoteReady(2));
    let new = forks(&commands);
    assert_eq!(new.len(), 2);
    story.tell(Event::Forked { id: new[0], pid: 1 });
    assert_eq!(story.tell(Event::WorkerReady(new[0])), []);
    story.tell(Event::Forked { id: new[1], pid: 2 });
    let commands = story.tell(Event::WorkerReady(new[1]));
    let last = commands.last();
    assert!(matches!(last, Some(Command::Note(Notice::ReloadDone { generation: 2, .. }))), "{last:?}");
    let commands = without_notes(commands);
    let drain = |id| Command::Drain { id, heir: Some(2), mercy: mercy() };
    let (open, serving) = (Command::Open, Command::Serving(2));
    assert_eq!(commands, [open(new[0]), open(new[1]), serving, Command::RetireZygote(1), drain(1), drain(2)]);
    story.gone(1);
    story.gone(2);
    assert_eq!(story.tell(zygote_gone(1)), [Command::CloseGeneration(1)]);
}

#[test]
fn a_reload_whose_application_does_not_load_changes_nothing() {
    let mut story = Story::serving(two());
    story.tell(Event::Reload(two(), Manner::Graceful));
    let commands = story.tell(Event::LoadFailed { generation: 2, message: "SyntaxError".to_string() });
    let note = Notice::RolledBack { generation: 2, why: "SyntaxError".to_string() };
    assert_eq!(commands, [Command::Note(note), Command::KillZygote(2)]);
    assert_eq!(story.tell(zygote_gone(2)), [Command::CloseGeneration(2)]);
    assert_eq!(story.supervisor.live(), Some(1));
}

#[test]
fn a_new_worker_that_dies_before_it_is_ready_rolls_the_reload_back_and_ready_ones_hand_over() {
    let mut story = Story::serving(two());
    story.tell(Event::Reload(two(), Manner::Graceful));
    let commands = story.tell(Event::ZygoteReady(2));
    let new = forks(&commands);
    story.tell(Event::Forked { id: new[0], pid: 1 });
    story.tell(Event::WorkerReady(new[0]));
    let commands = without_notes(story.tell(Event::WorkerExited { id: new[1], ended: Ended::Signal(11) }));
    let drain = Command::Drain { id: new[0], heir: Some(1), mercy: mercy() };
    assert_eq!(commands, [Command::RetireZygote(2), drain]);
}

#[test]
fn a_reload_that_takes_too_long_is_rolled_back() {
    let mut story = Story::serving(two());
    story.tell(Event::Reload(two(), Manner::Graceful));
    assert_eq!(story.supervisor.poll_timeout(), Some(story.now + Policy::default().reload_deadline));
    let commands = without_notes(story.wait(Policy::default().reload_deadline));
    assert_eq!(commands, [Command::KillZygote(2)]);
}

#[test]
fn reloads_during_a_reload_become_one_that_follows_it() {
    let mut story = Story::serving(two());
    story.tell(Event::Reload(two(), Manner::Graceful));
    for workers in [3, 4] {
        let commands = story.tell(Event::Reload(Policy { workers, ..Policy::default() }, Manner::Graceful));
        assert_eq!(commands, [Command::Note(Notice::ReloadQueued)]);
    }
    let commands = story.tell(Event::ZygoteReady(2));
    let commands = story.grow(&commands);
    assert!(commands.contains(&Command::SpawnZygote { generation: 3, like: None }));
    let commands = story.tell(Event::ZygoteReady(3));
    assert_eq!(forks(&commands).len(), 4);
}

#[test]
fn a_dead_worker_is_replaced_at_once_and_one_that_keeps_dying_ever_later() {
    let mut story = Story::serving(Policy::default());
    let mut id = 1;
    let mut delays = vec![];
    for _ in 0..5 {
        let mut commands = story.tell(Event::WorkerExited { id, ended: Ended::Signal(9) });
        let begun = story.now;
        while forks(&commands).is_empty() {
            story.now = story.supervisor.poll_timeout().unwrap();
            commands = story.tell(Event::Timeout);
        }
        delays.push((story.now - begun).as_millis());
        id = forks(&commands)[0];
    }
    assert_eq!(delays, [0, 0, 250, 500, 1000]);
}

#[test]
fn a_worker_that_dies_of_its_requests_never_keeps_clients_waiting_for_long() {
    let mut story = Story::serving(Policy::default());
    let mut id = 1;
    for _ in 0..20 {
        let mut commands = story.tell(Event::WorkerExited { id, ended: Ended::Exit(1) });
        let begun = story.now;
        while forks(&commands).is_empty() {
            story.now = story.supervisor.poll_timeout().unwrap();
            commands = story.tell(Event::Timeout);
        }
        assert!(story.now - begun <= Duration::from_secs(1));
        id = forks(&commands)[0];
        story.grow(&commands);
    }
}

#[test]
fn a_recycled_worker_is_drained_only_when_its_replacement_is_ready_and_one_at_a_time() {
    let mut story = Story::serving(Policy { max_requests: Some(10), ..two() });
    let spent = Sample { requests: 20, ..Sample::default() };
    let commands = story.tell(Event::Sample(1, spent));
    let first = forks(&commands);
    assert_eq!(first.len(), 1);
    assert!(forks(&story.tell(Event::Sample(2, spent))).is_empty());
    story.tell(Event::Forked { id: first[0], pid: 1 });
    let commands = story.tell(Event::WorkerReady(first[0]));
    assert!(commands.contains(&Command::Drain { id: 1, heir: Some(1), mercy: mercy() }));
    assert_eq!(forks(&commands).len(), 1, "the second follows the first");
}

#[test]
fn a_zygote_that_dies_is_replaced_by_a_generation_that_takes_over() {
    let mut story = Story::serving(two());
    let commands = without_notes(story.tell(zygote_gone(1)));
    assert_eq!(commands, [Command::SpawnZygote { generation: 2, like: Some(1) }]);
    let commands = story.tell(Event::ZygoteReady(2));
    let commands = story.grow(&commands);
    assert!(commands.contains(&Command::Drain { id: 1, heir: Some(2), mercy: mercy() }));
    story.gone(1);
    assert_eq!(story.gone(2), [Command::CloseGeneration(1)]);
}

#[test]
fn a_zygote_that_does_not_answer_is_killed_and_replaced() {
    let mut story = Story::serving(Policy::default());
    let commands = story.tell(Event::WorkerExited { id: 1, ended: Ended::Signal(9) });
    assert_eq!(forks(&commands).len(), 1);
    assert!(story.wait(ZYGOTE_GRACE).contains(&Command::KillZygote(1)));
    assert!(story.tell(zygote_gone(1)).contains(&Command::SpawnZygote { generation: 2, like: Some(1) }));
}

#[test]
fn an_application_that_does_not_load_at_the_start_ends_with_22_and_a_dead_interpreter_with_1() {
    for (event, code) in [
        (Event::LoadFailed { generation: 1, message: "no app".to_string() }, EXIT_NO_APP),
        (Event::ZygoteGone { generation: 1, why: "no app".to_string() }, EXIT_START_FAILED),
    ] {
        let mut story = Story::new();
        story.tell(Event::Start(two()));
        let mut commands = story.tell(event);
        commands.extend(story.tell(zygote_gone(1)));
        let exit = Command::Exit { code, reason: Some("no app".to_string()) };
        assert_eq!(commands.last(), Some(&exit));
    }
}

#[test]
fn a_first_worker_that_cannot_load_ends_the_start() {
    let mut story = Story::new();
    story.tell(Event::Start(two()));
    let commands = story.tell(Event::ZygoteReady(1));
    let ids = forks(&commands);
    for id in &ids {
        story.tell(Event::Forked { id: *id, pid: 1 });
    }
    let commands = story.tell(Event::WorkerLoadFailed { id: ids[0], message: "no app".to_string() });
    assert!(commands.contains(&Command::StopWorker(ids[1])));
    story.gone(ids[0]);
    story.gone(ids[1]);
    let commands = story.tell(zygote_gone(1));
    assert_eq!(commands.last(), Some(&Command::Exit { code: 22, reason: Some("no app".to_string()) }));
}

#[test]
fn the_first_generation_serves_with_its_first_worker_and_survives_what_happens_to_the_second() {
    let mut story = Story::new();
    story.tell(Event::Start(two()));
    let commands = story.tell(Event::ZygoteReady(1));
    let ids = forks(&commands);
    story.tell(Event::Forked { id: ids[0], pid: 1 });
    assert_eq!(story.tell(Event::WorkerReady(ids[0])), [Command::Serving(1)]);
    let failed = Event::WorkerLoadFailed { id: ids[1], message: "edited meanwhile".to_string() };
    assert_eq!(story.tell(failed), []);
    let commands = story.tell(Event::WorkerExited { id: ids[1], ended: Ended::Exit(22) });
    assert_eq!(forks(&commands).len(), 1);
}

#[test]
fn a_first_worker_that_keeps_dying_is_tried_for_ever_unless_somebody_waits_for_the_outcome() {
    for (start_attempts, ends) in [(None, false), (Some(3), true)] {
        let mut story = Story::new();
        story.tell(Event::Start(Policy { start_attempts, ..Policy::default() }));
        let mut commands = story.tell(Event::ZygoteReady(1));
        for _ in 0..5 {
            let Some(id) = forks(&commands).first().copied() else { break };
            commands = story.tell(Event::WorkerExited { id, ended: Ended::Exit(9) });
            if forks(&commands).is_empty() {
                commands = story.wait(crate::throttle::LONGEST);
            }
        }
        assert_eq!(story.supervisor.is_stopping(), ends);
    }
}

#[test]
fn the_first_lazy_worker_goes_ahead() {
    let mut story = Story::new();
    story.tell(Event::Start(Policy { lazy: true, workers: 3, ..Policy::default() }));
    let commands = story.tell(Event::ZygoteReady(1));
    assert_eq!(forks(&commands), [1]);
    story.tell(Event::Forked { id: 1, pid: 1 });
    assert_eq!(forks(&story.tell(Event::WorkerReady(1))), [2, 3]);
    story.now += Duration::from_secs(60);
    story.tell(Event::Reload(Policy { lazy: true, workers: 2, ..Policy::default() }, Manner::Graceful));
    let commands = story.tell(Event::ZygoteReady(2));
    assert_eq!(forks(&commands), [4]);
    story.tell(Event::Forked { id: 4, pid: 4 });
    assert_eq!(forks(&story.tell(Event::WorkerReady(4))), [5]);
}

#[test]
fn a_graceful_stop_drains_and_kills_whoever_takes_too_long() {
    let mut story = Story::serving(two());
    let commands = without_notes(story.tell(Event::Stop));
    let drain = |id| Command::Drain { id, heir: None, mercy: mercy() };
    assert_eq!(commands, [Command::RetireZygote(1), drain(1), drain(2)]);
    story.gone(1);
    let commands = without_notes(story.wait(mercy()));
    assert_eq!(commands, [Command::KillWorker(2)]);
    story.gone(2);
    let commands = story.tell(zygote_gone(1));
    assert_eq!(commands, [Command::CloseGeneration(1), Command::Exit { code: 0, reason: None }]);
}

#[test]
fn an_immediate_stop_hastens_a_graceful_one_and_a_second_one_kills() {
    let mut story = Story::serving(two());
    story.tell(Event::Stop);
    let commands = without_notes(story.tell(Event::Halt));
    assert_eq!(commands, [Command::StopWorker(1), Command::StopWorker(2)]);
    let commands = without_notes(story.tell(Event::Halt));
    assert_eq!(commands, [Command::KillWorker(1), Command::KillWorker(2)]);
}

#[test]
fn an_overdue_worker_is_killed_and_replaced() {
    let mut story =
        Story::serving(Policy { overdue_grace: Some(Duration::from_secs(3)), ..Policy::default() });
    let late = |seconds| Sample { overdue: Some(Duration::from_secs(seconds)), ..Sample::default() };
    assert_eq!(story.tell(Event::Sample(1, late(2))), []);
    assert_eq!(without_notes(story.tell(Event::Sample(1, late(3)))), [Command::KillWorker(1)]);
    assert_eq!(forks(&story.tell(Event::WorkerExited { id: 1, ended: Ended::Signal(9) })).len(), 1);
}

#[test]
fn an_overdue_worker_finishes_its_other_requests_beside_its_replacement() {
    let second = Duration::from_secs;
    let (overdue_grace, overdue_mercy) = (Some(second(3)), Some(second(5)));
    let mut story = Story::serving(Policy { overdue_grace, overdue_mercy, ..Policy::default() });
    let late = |seconds| Sample { overdue: Some(second(seconds)), ..Sample::default() };
    let commands = story.tell(Event::Sample(1, late(4)));
    let successor = forks(&commands);
    story.tell(Event::Forked { id: successor[0], pid: 9 });
    let commands = story.tell(Event::WorkerReady(successor[0]));
    assert_eq!(commands, [Command::Drain { id: 1, heir: Some(1), mercy: second(5) }]);
    assert_eq!(without_notes(story.wait(second(5))), [Command::KillWorker(1)]);
}

#[test]
fn an_overdue_worker_that_cannot_be_replaced_is_killed_all_the_same() {
    let second = Duration::from_secs;
    let (overdue_grace, overdue_mercy) = (Some(second(3)), Some(second(5)));
    let mut story = Story::serving(Policy { overdue_grace, overdue_mercy, ..Policy::default() });
    story.tell(zygote_gone(1));
    let late = |seconds| Sample { overdue: Some(second(seconds)), ..Sample::default() };
    assert_eq!(story.tell(Event::Sample(1, late(4))), []);
    assert_eq!(without_notes(story.tell(Event::Sample(1, late(11)))), [Command::KillWorker(1)]);
}

#[test]
fn a_reload_may_be_configured_to_be_the_end() {
    let mut story = Story::serving(two());
    let commands = story.tell(Event::Reload(Policy { exit_on_reload: true, ..two() }, Manner::Graceful));
    assert!(commands.contains(&Command::RetireZygote(1)));
    assert!(story.supervisor.is_stopping());
}

#[test]
fn a_chain_takes_over_worker_by_worker() {
    let mut story = Story::serving(two());
    assert_eq!(
        without_notes(story.tell(Event::ChainReload)),
        [Command::SpawnZygote { generation: 2, like: Some(1) }]
    );
    let drain = |id| Command::Drain { id, heir: Some(2), mercy: mercy() };
    let commands = story.tell(Event::ZygoteReady(2));
    let first = forks(&commands);
    assert_eq!(first.len(), 1);
    let commands = without_notes(story.grow(&commands));
    assert_eq!(commands[0], drain(1));
    assert_eq!(forks(&commands).len(), 1, "the next one starts");
    let commands = without_notes(story.grow(&commands));
    assert_eq!(commands, [drain(2), Command::Serving(2), Command::RetireZygote(1)]);
}

#[test]
fn a_chain_that_fails_half_way_gives_back_each_worker_when_it_is_there_again() {
    let mut story = Story::serving(two());
    story.tell(Event::ChainReload);
    let commands = story.tell(Event::ZygoteReady(2));
    let first = forks(&commands)[0];
    let second = forks(&story.grow(&commands))[0];
    story.tell(Event::Forked { id: second, pid: 9 });
    let commands = story.tell(Event::WorkerExited { id: second, ended: Ended::Exit(7) });
    let again = forks(&commands);
    assert_eq!(again.len(), 1, "the old generation has a worker again");
    assert!(!commands.contains(&Command::Drain { id: first, heir: Some(1), mercy: mercy() }), "not yet");
    story.tell(Event::Forked { id: again[0], pid: 10 });
    let commands = without_notes(story.tell(Event::WorkerReady(again[0])));
    assert_eq!(
        commands,
        [Command::Drain { id: first, heir: Some(1), mercy: mercy() }, Command::RetireZygote(2)]
    );
    assert_eq!((story.supervisor.live(), story.supervisor.is_reloading()), (Some(1), false));
}

#[test]
fn a_brutal_reload_gives_the_old_workers_a_moment() {
    let mut story = Story::serving(two());
    story.tell(Event::Reload(two(), Manner::Brutal));
    let commands = story.tell(Event::ZygoteReady(2));
    let commands = story.grow(&commands);
    assert!(commands.contains(&Command::Drain { id: 1, heir: Some(2), mercy: BRUTAL_MERCY }));
}

#[test]
fn a_generation_that_must_prove_itself_takes_over_only_then() {
    for verdict in [Ok(()), Err("503".to_string())] {
        let policy = Policy { check: true, ..two() };
        let mut story = Story::serving(policy.clone());
        story.tell(Event::Reload(policy, Manner::Graceful));
        let commands = story.tell(Event::ZygoteReady(2));
        assert_eq!(without_notes(story.grow(&commands)), [Command::Check(2)]);
        assert_eq!(story.supervisor.live(), Some(1));
        let commands = story.tell(Event::Checked { generation: 2, verdict: verdict.clone() });
        assert_eq!(commands.contains(&Command::Serving(2)), verdict.is_ok());
        assert_eq!(story.supervisor.live(), Some(if verdict.is_ok() { 2 } else { 1 }));
    }
}

#[test]
fn a_stop_is_announced_first_where_that_is_wanted_and_a_second_one_does_not_wait() {
    let delay = Duration::from_secs(5);
    for again in [false, true] {
        let mut story = Story::serving(Policy { drain_delay: delay, ..two() });
        let commands = without_notes(story.tell(Event::Stop));
        assert_eq!(commands, [Command::Unready(1), Command::Unready(2)]);
        assert_eq!(story.supervisor.poll_timeout(), Some(story.now + delay));
        let commands = if again { story.tell(Event::Stop) } else { story.wait(delay) };
        assert!(commands.contains(&Command::Drain { id: 1, heir: None, mercy: mercy() }));
    }
}

#[test]
fn a_pause_reaches_also_those_who_come_later() {
    let mut story = Story::serving(two());
    let commands = without_notes(story.tell(Event::Pause(true)));
    assert_eq!(commands, [Command::Pause(1, true), Command::Pause(2, true)]);
    let commands = story.tell(Event::WorkerExited { id: 1, ended: Ended::Signal(9) });
    let id = forks(&commands)[0];
    assert!(commands.contains(&Command::Pause(id, true)));
    assert_eq!(without_notes(story.tell(Event::Pause(true))), [], "it is paused already");
}

#[test]
fn a_sleeping_instance_wakes_with_the_first_connection() {
    let mut story = Story::new();
    story.tell(Event::Start(Policy { cheap: true, ..two() }));
    let commands = story.tell(Event::ZygoteReady(1));
    assert_eq!(commands, [Command::Serving(1), Command::AwaitConnection(true)]);
    let commands = story.tell(Event::Connection);
    assert!(commands.contains(&Command::AwaitConnection(false)));
    assert_eq!(forks(&commands).len(), 2);
    story.grow(&commands);
    let commands = without_notes(story.tell(Event::Sleep));
    let drain = |id| Command::Drain { id, heir: None, mercy: mercy() };
    assert_eq!(commands, [drain(1), drain(2), Command::AwaitConnection(true)]);
}

#[test]
fn a_worker_that_is_much_too_large_is_killed_and_others_by_their_limits_replaced() {
    let policy = Policy {
        evil_resident: Some(100),
        max_unique: Some(50),
        max_proportional: Some(60),
        max_lifetime: Some(Duration::from_secs(1000)),
        max_lifetime_delta: Duration::from_secs(100),
        ..two()
    };
    let mut story = Story::serving(policy);
    let sample = Sample { resident: Some(100), ..Sample::default() };
    assert_eq!(without_notes(story.tell(Event::Sample(1, sample))), [Command::KillWorker(1)]);
    for sample in [
        Sample { unique: Some(50), ..Sample::default() },
        Sample { proportional: Some(60), ..Sample::default() },
    ] {
        let mut story = Story::serving(Policy { max_unique: Some(50), max_proportional: Some(60), ..two() });
        assert_eq!(forks(&story.tell(Event::Sample(2, sample))).len(), 1);
    }
    let mut story = Story::serving(Policy {
        max_lifetime: Some(Duration::from_secs(1000)),
        max_lifetime_delta: Duration::from_secs(100),
        ..two()
    });
    story.now += Duration::from_secs(1000 - 60);
    assert!(forks(&story.tell(Event::Sample(2, Sample::default()))).is_empty(), "its delta is not over");
    assert_eq!(forks(&story.tell(Event::Sample(1, Sample::default()))).len(), 1);
}

#[test]
fn after_everything_was_lost_the_first_worker_that_is_ready_serves() {
    let mut story = Story::serving(two());
    story.tell(zygote_gone(1));
    for id in [1, 2] {
        story.tell(Event::WorkerExited { id, ended: Ended::Signal(9) });
    }
    let commands = story.tell(Event::ZygoteReady(2));
    let new = forks(&commands);
    story.tell(Event::Forked { id: new[0], pid: 7 });
    let commands = story.tell(Event::WorkerReady(new[0]));
    assert!(commands.contains(&Command::Open(new[0])) && commands.contains(&Command::Serving(2)));
    let commands = story.tell(Event::WorkerExited { id: new[1], ended: Ended::Exit(1) });
    assert_eq!(forks(&commands).len(), 1, "one that dies is tried again");
}
