//! Fair shares: every worker of a generation has about as many connections as the others.
//!
//! The kernel gives a new connection to whichever waiting worker comes first in its list, over and over the same one. So
//! a worker that has accepted goes to the end of that list; one that has more connections than an idle fellow gives a new
//! one to it; and what is uneven all the same, because clients left or workers were busy, is evened out between requests.
//! Where connections cannot be divided evenly, the odd ones go round.

use crate::connection::Connection;
use crate::fellows::{Fellow, Fellows};
use crate::reactor::{Reactor, WATCH};
use crate::site::{Site, Token};
use margrave_lifecycle::message::{Adopted, ToFellow, encode};
use margrave_stats::scoreboard::Counter;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Connections that a worker may have taken more than another one before the other gets the next.
const LEAD: u64 = 3;

/// Shares that differ by more than one part in so many are evened out soon.
const COARSE: u64 = 16;

/// A difference in requests of one part in so many is worth the move of an odd connection.
const WORTH: u64 = 50;

/// Looks over which requests count as recent.
const RECENT: u64 = 8;

/// Requests answered lately.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Times [`RECENT`].
    count: u64,
    /// Of all requests, those that are counted.
    until: u64,
}

/// Who should take connections, and how many.
#[derive(Debug, PartialEq, Eq)]
struct Share {
    worker: u16,
    count: u64,
}

impl Site {
    /// Watches a listener. A worker alone is told of each connection once. Where there are others, whoever polls while connections
    /// wait takes one: told once, those that were woken first could take more.
    pub(crate) fn watch_listener(&self, number: u16, listener: &OwnedFd) -> io::Result<()> {
        self.poller.add_listener(listener, Token::Listener(number).encode(), self.fellows.is_none())
    }

    /// A worker that is idle and has fewer connections than this one with its `mine`, or has taken clearly fewer; it is
    /// claimed.
    fn claim_poorer(&self, mine: usize) -> Option<u16> {
        let fellows = self.fellows.as_ref()?;
        let poorest = fellows.open(self.worker).min_by_key(|fellow| (fellow.connections, fellow.taken))?;
        let behind = poorest.taken + LEAD < fellows.taken(self.worker);
        let mine = mine as u64;
        let differs = mine > poorest.connections || behind && mine == poorest.connections;
        (differs && fellows.claim_one(poorest.worker)).then_some(poorest.worker)
    }

    /// Sends a connection to another worker.
    fn send_connection(&self, worker: u16, adopted: &Adopted, fd: BorrowedFd<'_>) -> bool {
        let packet = encode(&ToFellow::Connection(adopted.clone()));
        let (Ok(packet), Some(fellows)) = (packet, &self.fellows) else { return false };
        let sent = fellows.send(worker, &packet, fd).is_ok();
        if sent {
            fellows.note_sent(worker);
        }
        sent
    }
}

impl Reactor {
    /// Gives a connection that was just accepted to an idle worker that has fewer; gives it back when there is none.
    pub(crate) fn give_away(&self, fd: OwnedFd, listener: u16) -> Option<OwnedFd> {
        let site = &self.site;
        let Some(worker) = site.claim_poorer(self.connections.len()) else { return Some(fd) };
        let address = site.listeners[usize::from(listener)].address.clone();
        let fresh = Adopted { listener: address, served: 0, input: Vec::new(), client: None };
        (!site.send_connection(worker, &fresh, fd.as_fd())).then_some(fd)
    }

    /// Goes behind the others in the queue for new connections. `false` when there are no others: the poller, which looks
    /// anew at what is added to it, has not done so.
    pub(crate) fn queue_up(&mut self, number: u16) -> bool {
        let site = &self.site;
        if site.fellows.is_none() || !self.is_listening() {
            return false;
        }
        let listener = &site.listeners[usize::from(number)];
        if site.poller.delete(&listener.fd).is_ok()
            && let Err(error) = site.watch_listener(number, &listener.fd)
        {
            self.try_later(WATCH, &error);
        }
        true
    }

    /// Tells the others how many connections there are here.
    pub(crate) fn note_connections(&self) {
        if let Some(fellows) = self.site.fellows.as_ref().filter(|_| self.is_accepting()) {
            fellows.note_connections(self.site.worker, self.connections.len());
        }
    }

    /// Moves connections between two requests to workers that have fewer.
    pub(crate) fn even_out(&mut self) {
        let site = Arc::clone(&self.site);
        let Some(fellows) = site.fellows.as_ref().filter(|_| self.is_accepting()) else { return };
        self.take_leavings();
        self.count_recent();
        let (mine, others) = self.figures(fellows);
        let mut shares = shares(mine, &others);
        if shares.is_empty() {
            shares.extend(odd_one(mine, &others));
        }
        self.give(shares);
    }

    /// The same, sooner, where shares are far from even: clients that came all at once, or requests passed on with their
    /// connections.
    pub(crate) fn even_out_coarsely(&mut self) {
        let site = Arc::clone(&self.site);
        let Some(fellows) = site.fellows.as_ref().filter(|_| self.is_accepting()) else { return };
        let (mine, others) = self.figures(fellows);
        if are_far_from_even(mine, &others) {
            self.give(shares(mine, &others));
        }
    }

    /// What this worker has to do, and what the others have.
    fn figures(&self, fellows: &Fellows) -> (Fellow, Vec<Fellow>) {
        let worker = self.site.worker;
        let (connections, taken) = (self.connections.len() as u64, fellows.taken(worker));
        let mine = Fellow { worker, connections, taken, requests: self.recent.count };
        (mine, fellows.open(worker).collect())
    }

    /// Gives others their shares, as far as there are connections between two requests.
    fn give(&mut self, shares: Vec<Share>) {
        let site = Arc::clone(&self.site);
        let Some(fellows) = &site.fellows else { return };
        let most = shares.iter().map(|share| share.count).sum::<u64>();
        if most == 0 {
            return;
        }
        let mut movable = self.movable(usize::try_from(most).unwrap_or(usize::MAX)).into_iter().peekable();
        for Share { worker, count } in shares {
            for _ in 0..count {
                // First something to send: a worker that was claimed for nothing would sleep on, and nobody could reach it.
                let Some(&slot) = movable.peek() else { return };
                if !fellows.reach(worker, self.now) {
                    break;
                }
                movable.next();
                self.move_connection(slot, |adopted, fd| site.send_connection(worker, adopted, fd));
            }
        }
    }

    /// Counts the requests of the last seconds, the older ones less.
    fn count_recent(&mut self) {
        let requests = self.site.slot.counter(Counter::Requests).load(Relaxed);
        let Recent { count, until } = &mut self.recent;
        *count = *count - *count / RECENT + (requests - std::mem::replace(until, requests)) * RECENT;
        if let Some(fellows) = &self.site.fellows {
            fellows.note_requests(self.site.worker, *count);
        }
    }

    /// Up to `most` connections between two requests, those first that were busy last: they make the difference.
    fn movable(&self, most: usize) -> Vec<usize> {
        let is_movable = |found: &Connection| found.is_idle() && found.can_be_passed();
        let mut found: Vec<(Duration, usize)> = self
            .connections
            .iter()
            .filter(|(_, found)| is_movable(found))
            .map(|(slot, found)| (found.deadline, slot))
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.truncate(most);
        found.into_iter().map(|(_, slot)| slot).collect()
    }
}

/// How many connections each of the others should get from the worker that `mine` is about. Everybody works this out
/// from the same figures: those with a lower number give first.
fn shares(mine: Fellow, others: &[Fellow]) -> Vec<Share> {
    let total = mine.connections + others.iter().map(|fellow| fellow.connections).sum::<u64>();
    let mean = total / (others.len() as u64 + 1);
    let before = others.iter().filter(|fellow| fellow.worker < mine.worker);
    let mut given: u64 = before.map(|fellow| fellow.connections.saturating_sub(mean)).sum();
    let mut excess = mine.connections.saturating_sub(mean);
    let mut shares = Vec::new();
    for fellow in others {
        let need = mean.saturating_sub(fellow.connections);
        let covered = need.min(given);
        given -= covered;
        let count = (need - covered).min(excess);
        if count > 0 {
            excess -= count;
            shares.push(Share { worker: fellow.worker, count });
        }
    }
    shares
}

/// Whether some have so many more connections than others that it should not wait.
fn are_far_from_even(mine: Fellow, others: &[Fellow]) -> bool {
    let counts = || others.iter().map(|fellow| fellow.connections).chain([mine.connections]);
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    most - least > 1 + least / COARSE
}

/// Who should have the odd connection for a while: of those with fewer, the one that has worked least.
fn odd_one(mine: Fellow, others: &[Fellow]) -> Option<Share> {
    let poorer = others.iter().filter(|fellow| fellow.connections < mine.connections);
    let idlest = poorer.min_by_key(|fellow| fellow.requests)?;
    let differs = idlest.requests < mine.requests - mine.requests / WORTH;
    differs.then_some(Share { worker: idlest.worker, count: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fellows(facts: &[(u64, u64)]) -> Vec<Fellow> {
        let fellow = |(worker, &(connections, requests))| Fellow { worker, connections, taken: 0, requests };
        (1..).zip(facts).map(fellow).collect()
    }

    #[test]
    fn what_is_above_the_mean_goes_to_those_below_it_and_nobody_gets_too_much() {
        let check = |before: &[u64], after: &[u64]| {
            let all = fellows(&before.iter().map(|&count| (count, 0)).collect::<Vec<_>>());
            let mut counts = before.to_vec();
            for mine in &all {
                let others: Vec<_> = all.iter().copied().filter(|fellow| fellow != mine).collect();
                for share in shares(*mine, &others) {
                    counts[usize::from(mine.worker) - 1] -= share.count;
                    counts[usize::from(share.worker) - 1] += share.count;
                }
            }
            assert_eq!(counts, after, "{before:?}");
        };
        check(&[9, 8, 8, 7], &[8, 8, 8, 8]);
        check(&[2, 10, 10, 10], &[8, 8, 8, 8]);
        check(&[32, 0, 0, 0], &[8, 8, 8, 8]);
        check(&[0, 5, 0, 0], &[1, 2, 1, 1]);
        check(&[2, 2, 1, 0], &[1, 2, 1, 1]);
        check(&[2, 2, 2, 2, 2, 2, 2, 0], &[1, 2, 2, 2, 2, 2, 2, 1]);
        check(&[2, 1, 1, 1], &[2, 1, 1, 1]);
        check(&[1, 0, 0], &[1, 0, 0]);
        check(&[5], &[5]);
    }

    #[test]
    fn shares_that_differ_by_more_than_a_sixteenth_do_not_wait() {
        let check = |before: &[u64], expected: bool| {
            let all = fellows(&before.iter().map(|&count| (count, 0)).collect::<Vec<_>>());
            assert_eq!(are_far_from_even(all[0], &all[1..]), expected, "{before:?}");
        };
        check(&[18, 15, 16, 15], true);
        check(&[15, 17, 16, 16], true);
        check(&[18, 16, 16, 16], false);
        check(&[2, 1, 1, 1], false);
        check(&[0, 2], true);
        check(&[1060, 1000], false);
        check(&[7], false);
    }

    #[test]
    fn an_odd_connection_goes_to_the_one_that_has_worked_least() {
        let check = |facts: &[(u64, u64)], expected: Option<u16>| {
            let all = fellows(facts);
            assert_eq!(odd_one(all[0], &all[1..]).map(|share| share.worker), expected);
        };
        check(&[(3, 900), (2, 700), (2, 600), (3, 500)], Some(3));
        check(&[(3, 900), (2, 890), (2, 895)], None);
        check(&[(2, 900), (2, 1)], None);
        check(&[(1, 0), (0, 0)], None);
    }
}
