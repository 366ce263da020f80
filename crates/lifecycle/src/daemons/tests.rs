//! Programs with virtual time.

use super::*;
use std::vec;

const PLAIN: Rules = Rules {
    smart: false,
    daemonizes: false,
    control: false,
    frequency: None,
    max_throttle: None,
    reload_signal: false,
};
const SMART: Rules = Rules { smart: true, ..PLAIN };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn started(rules: Rules) -> Daemons {
    let mut daemons = Daemons::default();
    daemons.start([rules], seconds(0));
    daemons
}

#[test]
fn a_program_that_keeps_ending_is_started_again_ever_more_slowly() {
    let mut daemons = started(PLAIN);
    let (mut now, mut pauses) = (seconds(0), vec![]);
    for pid in 10..16 {
        assert_eq!(daemons.poll(now), [Command::Start(0)]);
        daemons.handle_started(0, pid, now);
        assert_eq!(daemons.poll(now), []);
        assert_eq!(daemons.handle_exited(pid, now), Some((0, vec![Command::Kill(pid)])));
        let next = daemons.poll_timeout().unwrap();
        pauses.push((next - now).as_millis());
        now = next;
    }
    assert_eq!(pauses, [0, 250, 500, 1000, 2000, 4000]);
    assert_eq!(daemons.status(0), Some((0, 5)));
    daemons.poll(now);
    daemons.handle_started(0, 20, now);
    daemons.handle_exited(20, now + STEADY);
    assert_eq!(daemons.poll_timeout(), Some(now + STEADY), "one that worked is started again at once");
}

#[test]
fn a_pause_has_the_bound_that_the_configuration_gives() {
    let mut daemons = started(Rules { max_throttle: Some(seconds(1)), ..PLAIN });
    for pid in 10..30 {
        daemons.handle_started(0, pid, seconds(0));
        daemons.handle_exited(pid, seconds(0));
    }
    assert_eq!(daemons.poll_timeout(), Some(seconds(1)));
}

#[test]
fn a_stop_asks_waits_and_kills_and_starts_nothing_again() {
    let mut daemons = started(PLAIN);
    daemons.handle_started(0, 10, seconds(0));
    assert_eq!(daemons.stop(seconds(5)), [Command::Stop { daemon: 0, pid: 10 }]);
    assert!(daemons.is_ending());
    assert_eq!(daemons.poll(seconds(5) + MERCY), [Command::Kill(10)]);
    let settle = Command::Settle { daemon: 0, group: 10 };
    assert_eq!(daemons.handle_exited(10, seconds(16)), Some((0, vec![settle])));
    assert!(daemons.is_ending(), "its children may still end well");
    assert_eq!(daemons.poll(seconds(17)), [settle]);
    daemons.handle_group_gone(0, seconds(17));
    assert!(!daemons.is_ending());
    assert_eq!(daemons.poll(seconds(100)), []);
}

#[test]
fn a_program_with_a_pidfile_is_found_again_looked_at_and_kept() {
    let mut daemons = started(Rules { frequency: Some(seconds(2)), ..SMART });
    assert_eq!(daemons.poll(seconds(0)), [Command::Look(0)]);
    assert_eq!(daemons.handle_pidfile(0, Some(77), seconds(0)), None);
    assert_eq!(daemons.poll(seconds(1)), []);
    assert_eq!(daemons.poll(seconds(2)), [Command::Look(0)]);
    assert_eq!(daemons.handle_pidfile(0, None, seconds(2)), None);
    assert_eq!(daemons.poll(seconds(2)), [Command::Look(0)]);
    assert_eq!(daemons.handle_pidfile(0, None, seconds(2)), Some(Command::Start(0)));
    daemons.handle_started(0, 78, seconds(2));
    assert_eq!(daemons.reload([(SMART, Some(0))], seconds(3)), []);
    assert_eq!(daemons.stop(seconds(4)), []);
    assert!(!daemons.is_ending());
}

#[test]
fn the_first_process_of_a_program_that_goes_into_the_background_means_nothing() {
    let mut daemons = started(Rules { daemonizes: true, ..SMART });
    daemons.poll(seconds(0));
    daemons.handle_pidfile(0, None, seconds(0));
    daemons.handle_started(0, 10, seconds(0));
    assert_eq!(daemons.handle_exited(10, seconds(0)), Some((0, vec![])), "its group goes on");
    assert_eq!(daemons.poll(seconds(0)), [Command::Look(0)]);
    daemons.handle_pidfile(0, Some(12), seconds(0));
    assert_eq!(daemons.status(0), Some((12, 0)));
}

#[test]
fn a_reload_starts_a_program_again_when_the_old_one_has_ended() {
    let mut daemons = started(PLAIN);
    daemons.handle_started(0, 10, seconds(0));
    let commands = daemons.reload([(PLAIN, None), (PLAIN, Some(0))], seconds(1));
    assert_eq!(commands, [Command::Stop { daemon: 1, pid: 10 }]);
    assert_eq!(daemons.poll(seconds(1)), [Command::Start(0)]);
    daemons.handle_started(0, 11, seconds(1));
    daemons.handle_exited(10, seconds(2));
    daemons.handle_group_gone(1, seconds(2));
    assert_eq!(daemons.poll(seconds(2)), [Command::Start(1)]);
    daemons.handle_started(1, 12, seconds(2));
    assert_eq!(daemons.reload([(PLAIN, Some(1))], seconds(3)).last(), Some(&Command::Terminate(11)));
}

#[test]
fn the_instance_ends_with_its_control_daemon() {
    let mut daemons = started(Rules { control: true, ..PLAIN });
    daemons.handle_started(0, 10, seconds(0));
    let (_, commands) = daemons.handle_exited(10, seconds(1)).unwrap();
    assert_eq!(commands, [Command::Kill(10), Command::EndInstance(0)]);
    assert_eq!(daemons.handle_exited(99, seconds(1)), None);
}

#[test]
fn what_a_program_leaves_in_its_group_is_killed_when_its_time_is_over() {
    let mut daemons = started(PLAIN);
    daemons.handle_started(0, 10, seconds(0));
    daemons.stop(seconds(1));
    daemons.handle_exited(10, seconds(2));
    assert_eq!(daemons.poll(seconds(1) + MERCY), [Command::Kill(10)]);
    assert!(!daemons.is_ending());
}
