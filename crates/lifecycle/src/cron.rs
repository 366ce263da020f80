//! Commands at times, as `cron` and its relatives name them: which is due, which has run too long.
//!
//! The times are uWSGI's: a number is that value, -1 is every one, -N every value that N divides. Where day and
//! weekday are both numbers, either is enough. A task begins at most once in a minute of the wall clock, also when the
//! clock is set back a little; minutes that were missed are not made up for.

use alloc::vec::Vec;
use core::time::Duration;

/// A clock that is set back further than this runs its tasks again; a smaller step is a correction.
const SET_BACK: i64 = 60;

/// Most runs of one task at a time: a task that never ends must not fill the machine.
pub const MOST_AT_ONCE: usize = 32;

/// When a task is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 23.
    pub hour: i32,
    /// Of the month, 1 to 31.
    pub day: i32,
    /// 1 to 12.
    pub month: i32,
    /// Of the week, 0 to 6 from Sunday; 7 is Sunday too.
    pub week: i32,
}

/// A minute of the wall clock, in local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minute {
    /// Minutes since 1970, which say whether it is another one.
    pub number: i64,
    /// 0 to 59.
    pub minute: i32,
    /// 0 to 23.
    pub hour: i32,
    /// 1 to 31.
    pub day: i32,
    /// 1 to 12.
    pub month: i32,
    /// 0 to 6 from Sunday.
    pub week: i32,
}

impl Schedule {
    /// Whether it is due in a minute.
    #[must_use]
    pub fn is_due(&self, now: &Minute) -> bool {
        let is = |wanted: i32, found: i32| match wanted {
            0.. => wanted == found,
            every => found % every == 0,
        };
        let week = if self.week == 7 { 0 } else { self.week };
        let (by_day, by_week) = (is(self.day, now.day), is(week, now.week));
        let of_day = if self.day >= 0 && week >= 0 { by_day || by_week } else { by_day && by_week };
        is(self.minute, now.minute) && is(self.hour, now.hour) && is(self.month, now.month) && of_day
    }
}

/// What is known of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// When.
    pub schedule: Schedule,
    /// Never beside itself.
    pub unique: bool,
    /// Longest time of one run.
    pub harakiri: Option<Duration>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Start a task.
    Run(usize),
    /// A task was due and still runs: it is left out this time.
    Skip(usize),
    /// Kill a run that has taken too long.
    Kill {
        /// The task.
        task: usize,
        /// The process.
        pid: i32,
    },
}

/// One run of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The task.
    pub task: usize,
    /// Its process.
    pub pid: i32,
    /// When it began.
    pub since: Duration,
    killed: bool,
}

/// All tasks of an instance and their runs.
#[derive(Clone, Debug, Default)]
pub struct Crontab {
    tasks: Vec<(Task, Option<i64>)>,
    runs: Vec<Run>,
}

impl Crontab {
    /// Takes the tasks of a configuration; what runs goes on, but belongs to nobody when its task is gone.
    pub fn set(&mut self, tasks: impl IntoIterator<Item = Task>) {
        let known = core::mem::take(&mut self.tasks);
        let last = |task: &Task, place: usize| {
            known.get(place).filter(|(old, _)| old == task).and_then(|(_, last)| *last)
        };
        self.tasks = tasks.into_iter().enumerate().map(|(place, task)| (task, last(&task, place))).collect();
    }

    /// What is due; `now` is time that only goes forward, `minute` the wall clock's.
    pub fn poll(&mut self, now: Duration, minute: &Minute) -> Vec<Command> {
        let mut commands = Vec::new();
        for run in &mut self.runs {
            let limit = self.tasks.get(run.task).and_then(|(task, _)| task.harakiri);
            if !run.killed && limit.is_some_and(|limit| now.saturating_sub(run.since) >= limit) {
                run.killed = true;
                commands.push(Command::Kill { task: run.task, pid: run.pid });
            }
        }
        for (number, (task, last)) in self.tasks.iter_mut().enumerate() {
            let is_new = last.is_none_or(|last| minute.number > last || last - minute.number > SET_BACK);
            if !is_new || !task.schedule.is_due(minute) {
                continue;
            }
            *last = Some(minute.number);
            let running = self.runs.iter().filter(|run| run.task == number).count();
            let most = if task.unique { 1 } else { MOST_AT_ONCE };
            commands.push(if running < most { Command::Run(number) } else { Command::Skip(number) });
        }
        commands
    }

    /// A task runs.
    pub fn handle_started(&mut self, task: usize, pid: i32, now: Duration) {
        self.runs.push(Run { task, pid, since: now, killed: false });
    }

    /// A process has ended: which run it was, if any.
    pub fn handle_ended(&mut self, pid: i32) -> Option<Run> {
        let place = self.runs.iter().position(|run| run.pid == pid)?;
        Some(self.runs.swap_remove(place))
    }

    /// What runs.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn schedule(text: &str) -> Schedule {
        let numbers: Vec<i32> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        let [minute, hour, day, month, week] = numbers[..] else { unreachable!("five numbers") };
        Schedule { minute, hour, day, month, week }
    }

    /// A minute as `number minute hour day month week`.
    fn minute(number: i64, text: &str) -> Minute {
        let Schedule { minute, hour, day, month, week } = schedule(text);
        Minute { number, minute, hour, day, month, week }
    }

    #[test]
    fn schedules_are_due_as_in_uwsgi() {
        for (wanted, now, expected) in [
            ("-1 -1 -1 -1 -1", "17 5 3 4 2", true),
            ("17 5 -1 -1 -1", "17 5 3 4 2", true),
            ("17 6 -1 -1 -1", "17 5 3 4 2", false),
            ("-5 -1 -1 -1 -1", "15 5 3 4 2", true),
            ("-5 -1 -1 -1 -1", "17 5 3 4 2", false),
            ("-5 -1 -1 -1 -1", "0 5 3 4 2", true),
            ("0 -2 -1 -1 -1", "0 4 3 4 2", true),
            ("0 -2 -1 -1 -1", "0 5 3 4 2", false),
            ("0 0 -1 -3 -1", "0 0 3 6 2", true),
            ("0 0 -1 -3 -1", "0 0 3 7 2", false),
            // Weekdays: 0 and 7 are Sunday.
            ("0 0 -1 -1 0", "0 0 3 7 0", true),
            ("0 0 -1 -1 7", "0 0 3 7 0", true),
            ("0 0 -1 -1 6", "0 0 3 7 0", false),
            // A day and a weekday: either will do. One of them open: both must hold.
            ("0 0 13 -1 5", "0 0 13 7 2", true),
            ("0 0 13 -1 5", "0 0 14 7 5", true),
            ("0 0 13 -1 5", "0 0 14 7 2", false),
            ("0 0 13 -1 -2", "0 0 13 7 3", false),
            ("0 0 -2 -1 5", "0 0 13 7 5", false),
            ("0 0 13 8 5", "0 0 13 7 5", false),
        ] {
            assert_eq!(schedule(wanted).is_due(&minute(0, now)), expected, "{wanted} at {now}");
        }
    }

    fn every_minute(unique: bool, harakiri: Option<u64>) -> Crontab {
        let schedule = schedule("-1 -1 -1 -1 -1");
        let mut crontab = Crontab::default();
        crontab.set([Task { schedule, unique, harakiri: harakiri.map(Duration::from_secs) }]);
        crontab
    }

    fn at(number: i64) -> Minute {
        minute(number, "0 0 1 1 0")
    }

    #[test]
    fn a_task_begins_once_in_a_minute_whatever_the_clock_does() {
        let mut crontab = every_minute(false, None);
        let run = vec![Command::Run(0)];
        for (number, expected) in [
            (100, &run),
            (100, &vec![]),
            (101, &run),
            // Set back by two minutes: they have been served.
            (99, &vec![]),
            (101, &vec![]),
            (102, &run),
            // Forward by a day: one run, not 1,440.
            (102 + 1440, &run),
            // Set back by a day, for good.
            (102, &run),
            (103, &run),
        ] {
            assert_eq!(&crontab.poll(Duration::ZERO, &at(number)), expected, "{number}");
        }
    }

    #[test]
    fn a_unique_task_is_left_out_while_it_runs_and_another_one_runs_up_to_a_bound() {
        let mut crontab = every_minute(true, None);
        assert_eq!(crontab.poll(Duration::ZERO, &at(1)), [Command::Run(0)]);
        crontab.handle_started(0, 10, Duration::ZERO);
        assert_eq!(crontab.poll(Duration::ZERO, &at(2)), [Command::Skip(0)]);
        assert_eq!(crontab.handle_ended(10).map(|run| run.task), Some(0));
        assert_eq!(crontab.handle_ended(10), None);
        assert_eq!(crontab.poll(Duration::ZERO, &at(3)), [Command::Run(0)]);
        let mut crontab = every_minute(false, None);
        for number in 0..MOST_AT_ONCE {
            assert_eq!(crontab.poll(Duration::ZERO, &at(number as i64)), [Command::Run(0)]);
            crontab.handle_started(0, 10 + number as i32, Duration::ZERO);
        }
        assert_eq!(crontab.poll(Duration::ZERO, &at(1000)), [Command::Skip(0)]);
    }

    #[test]
    fn a_run_that_takes_too_long_is_killed_once_by_the_clock_that_only_goes_forward() {
        let mut crontab = every_minute(true, Some(5));
        crontab.poll(Duration::from_secs(50), &at(1));
        crontab.handle_started(0, 10, Duration::from_secs(50));
        assert_eq!(crontab.poll(Duration::from_secs(54), &at(-1)), []);
        assert_eq!(crontab.poll(Duration::from_secs(55), &at(1)), [Command::Kill { task: 0, pid: 10 }]);
        assert_eq!(crontab.poll(Duration::from_secs(99), &at(1)), []);
        assert_eq!(crontab.runs().len(), 1);
    }

    #[test]
    fn a_reload_keeps_what_runs_and_does_not_repeat_what_has_run() {
        let mut crontab = every_minute(true, None);
        crontab.poll(Duration::ZERO, &at(1));
        crontab.handle_started(0, 10, Duration::ZERO);
        let (same, other) = (crontab.tasks[0].0, schedule("0 -1 -1 -1 -1"));
        crontab.set([same, Task { schedule: other, unique: false, harakiri: None }]);
        assert_eq!(crontab.poll(Duration::ZERO, &at(1)), [Command::Run(1)]);
        assert_eq!(crontab.runs().len(), 1);
    }
}
