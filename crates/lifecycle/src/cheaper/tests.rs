//! What each algorithm does with a course of load, second by second.

use super::*;
use std::vec;
use std::vec::Vec;

fn rules(algorithm: Algorithm) -> Scaling {
    Scaling {
        least: 1,
        most: 8,
        initial: 1,
        step: 2,
        overload: 3,
        idle: 10,
        soft_limit: None,
        hard_limit: None,
        algorithm,
    }
}

/// A world in which workers are there at once.
struct Course {
    scaler: Scaler,
    now: Duration,
    wanted: u16,
    times: Vec<Duration>,
}

impl Course {
    fn new(rules: Scaling, wanted: u16) -> Self {
        Self { scaler: Scaler::new(rules), now: Duration::ZERO, wanted, times: vec![Duration::ZERO; 100] }
    }

    /// One second in which `busy` workers had work all the time; how many there are afterwards.
    fn second(&mut self, busy: u16, load: Load) -> u16 {
        self.now += Duration::from_secs(1);
        let workers = (0..self.wanted).map(|number| {
            let full = number < busy;
            let time = &mut self.times[usize::from(number)];
            *time += if full { Duration::from_secs(1) } else { Duration::ZERO };
            WorkerLoad { id: u64::from(number), idle: !full, full, time: *time, threads: 1 }
        });
        let load = Load { workers: workers.collect(), ..load };
        let standing = Standing { wanted: self.wanted, starting: 0 };
        let change = self.scaler.handle_look(self.now, &load, standing);
        self.wanted = self.wanted.checked_add_signed(change).unwrap();
        self.wanted
    }

    fn seconds(&mut self, count: u16, busy: u16, load: &Load) -> u16 {
        (0..count).map(|_| self.second(busy, load.clone())).last().unwrap()
    }
}

fn waiting(waiting: u64) -> Load {
    Load { waiting, ..Load::default() }
}

#[test]
fn spare_adds_a_step_when_nobody_was_free_for_a_while_and_keeps_one_in_reserve() {
    let mut course = Course::new(rules(Algorithm::Spare), 2);
    let none = Load::default();
    assert_eq!(course.seconds(3, 9, &none), 2, "not yet");
    assert_eq!(course.second(9, none.clone()), 4);
    assert_eq!(course.seconds(100, 3, &none), 4, "one in reserve is right");
    assert_eq!(course.seconds(4, 0, &none), 3);
    assert_eq!(course.seconds(100, 0, &none), 1, "never below the least");
}

#[test]
fn spare2_keeps_as_many_free_as_the_least_and_lets_go_one_by_one() {
    let mut course = Course::new(Scaling { least: 2, ..rules(Algorithm::Spare2) }, 3);
    let none = Load::default();
    assert_eq!(course.second(3, none.clone()), 5, "both at once");
    assert_eq!(course.second(4, none.clone()), 6, "only the one that is missing");
    assert_eq!(course.seconds(10, 2, &none), 6);
    assert_eq!(course.second(2, none.clone()), 5);
    assert_eq!(course.seconds(200, 0, &none), 2);
}

#[test]
fn backlog_follows_what_waits() {
    let mut course = Course::new(rules(Algorithm::Backlog), 1);
    assert_eq!(course.second(1, waiting(3)), 1);
    assert_eq!(course.second(1, waiting(4)), 3);
    assert_eq!(course.seconds(10, 0, &waiting(0)), 3);
    assert_eq!(course.second(0, waiting(0)), 2);
}

#[test]
fn busyness_stays_between_its_bounds_and_learns_from_a_worker_that_was_missed() {
    let busyness = Busyness { multiplier: 2, penalty: 3, ..Busyness::default() };
    let mut course = Course::new(rules(Algorithm::Busyness(busyness)), 2);
    let none = Load::default();
    // The first look has nothing to compare with.
    assert_eq!(course.seconds(4, 2, &none), 4, "100 % of two is too much");
    assert_eq!(course.seconds(60, 1, &none), 4, "25 % of four is not too little");
    assert_eq!(course.seconds(6, 0, &none), 3, "two windows without work");
    assert_eq!(course.seconds(3, 3, &none), 5, "missed at once");
    assert_eq!(course.seconds(14, 0, &none), 5, "so the next one stays longer");
    assert_eq!(course.seconds(1, 0, &none), 4);
}

#[test]
fn busyness_answers_a_backlog_with_workers_that_go_when_it_is_gone() {
    let busyness = Busyness { backlog_nonzero: Duration::from_secs(5), ..Busyness::default() };
    let mut course = Course::new(Scaling { overload: 1000, ..rules(Algorithm::Busyness(busyness)) }, 2);
    assert_eq!(course.second(0, waiting(33)), 3);
    assert_eq!(course.seconds(4, 0, &waiting(1)), 3);
    assert_eq!(course.seconds(1, 0, &waiting(1)), 4);
    assert_eq!(course.seconds(3, 0, &waiting(0)), 4);
    assert_eq!(course.seconds(5, 0, &waiting(0)), 2);
    assert_eq!(course.seconds(100, 0, &waiting(0)), 2, "those that were there before stay");
}

#[test]
fn latency_grows_with_the_wait_and_shrinks_only_when_the_others_can_carry_it() {
    let target = Duration::from_millis(20);
    let mut course = Course::new(rules(Algorithm::Latency(target)), 2);
    let waits = |millis| Load { wait: Some(Duration::from_millis(millis)), ..Load::default() };
    assert_eq!(course.second(2, waits(20)), 2);
    assert_eq!(course.second(2, waits(21)), 4, "by a step");
    assert_eq!(course.second(4, waits(400)), 8, "twenty times too long: twice as many");
    assert_eq!(course.seconds(100, 7, &waits(1)), 8, "seven of eight are at work all the time");
    assert_eq!(course.seconds(12, 3, &waits(1)), 7);
    assert_eq!(course.seconds(200, 3, &waits(1)), 5, "three of four would be too many");
}

#[test]
fn memory_bounds_the_number() {
    let resident = |bytes| Load { resident: Some(bytes), ..Load::default() };
    let rules = Scaling { soft_limit: Some(100), hard_limit: Some(200), ..rules(Algorithm::Spare) };
    let mut course = Course::new(rules, 2);
    assert_eq!(course.seconds(20, 9, &resident(150)), 2);
    assert_eq!(course.second(9, resident(200)), 1);
    assert_eq!(course.seconds(4, 9, &resident(50)), 3);
}

#[test]
fn an_order_beyond_the_bounds_is_left_alone() {
    let mut course = Course::new(rules(Algorithm::Spare), 12);
    assert_eq!(course.seconds(20, 12, &Load::default()), 12);
    let mut course = Course::new(Scaling { least: 3, ..rules(Algorithm::Spare) }, 2);
    assert_eq!(course.seconds(20, 0, &Load::default()), 2, "fewer than the least");
    assert_eq!(course.seconds(4, 2, &Load::default()), 4, "until they are needed");
}
