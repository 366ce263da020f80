//! Requests on their way from a busy worker to an idle one, and what arrives in a worker's inbox.

use crate::body::Body;
use crate::connection::{Peer, Phase};
use crate::reactor::{Reactor, Work};
use margrave_lifecycle::message::{Passed, ToFellow, decode, encode};
use margrave_stats::scoreboard::Counter;
use margrave_sys::{clock, net};
use margrave_wire::{BodyLength, Name, Request, Version};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Largest request, with its body and what was read behind it, that is passed; a larger one waits where it is.
const LARGEST: usize = 32 * 1024;
/// A request whose sender has claimed this worker arrives within this time, or never.
const ARRIVAL: Duration = Duration::from_millis(500);
/// Requests taken from the inbox for one event.
const ARRIVALS: usize = 8;

impl Reactor {
    /// Whoever leads is about to wait with a thread to spare: fellows may send a request, unless this worker takes nothing new.
    pub(crate) fn offer_help(&mut self) {
        if let Some(fellows) = self.site.fellows.as_ref().filter(|_| self.is_accepting()) {
            self.offers_help = true;
            self.has_helped = false;
            fellows.offer(self.site.worker);
        }
    }

    /// The wait is over, or the worker takes nothing new from now on, whoever waits. A request may be on its way.
    pub(crate) fn end_offer(&mut self) {
        let Some(fellows) = self.site.fellows.as_ref().filter(|_| self.offers_help) else { return };
        self.offers_help = false;
        if fellows.withdraw(self.site.worker) && !self.has_helped {
            self.help_until = clock::monotonic() + ARRIVAL;
        }
    }

    /// Passes requests that no thread of this worker is free for, as long as fellows are idle.
    pub(crate) fn pass_waiting(&mut self, taken: usize) {
        let site = Arc::clone(&self.site);
        let Some(fellows) = &site.fellows else { return };
        while let Some(place) = (taken..self.ready.len()).find(|&place| self.can_be_sent(&self.ready[place]))
        {
            let Some(worker) = fellows.claim(site.worker) else { return };
            let Some(work) = self.ready.remove(place) else { return };
            if let Err(work) = self.send_to(worker, work) {
                // Its inbox is full: it has enough to do.
                self.ready.insert(place, work);
                return;
            }
        }
    }

    fn can_be_sent(&self, work: &Work) -> bool {
        let connection = self.connections.find(work.slot, work.generation);
        let size =
            work.request.vars_bytes().1 + usize::try_from(work.body.len()).unwrap_or(usize::MAX).min(LARGEST);
        !work.is_live
            && work.body.in_memory().is_some()
            && connection.is_some_and(|found| {
                let movable = found.records.as_ref().is_none_or(|records| records.suspend().is_some());
                movable && found.output.is_empty() && size + found.input.len() < LARGEST
            })
    }

    fn send_to(&mut self, worker: u16, work: Work) -> Result<(), Work> {
        let site = Arc::clone(&self.site);
        let (Some(fellows), Some(connection)) = (&site.fellows, self.connections.get(work.slot)) else {
            return Err(work);
        };
        let passed = Passed {
            listener: work.listener,
            served: connection.served,
            input: connection.input.clone(),
            client: connection.client,
            records: connection.records.as_ref().and_then(|records| records.suspend()),
            vars: work
                .request
                .vars()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()))
                .collect(),
            is_http10: work.request.version == Version::Http10,
            keep_alive: work.request.keep_alive,
            trusted: work.request.is_trusted(),
            forwarded: (work.request.forwarded_https(), work.request.forwarded_client().map(<[u8]>::to_vec)),
            head_len: u32::try_from(work.request.head_len).unwrap_or(u32::MAX),
            body: work.body.in_memory().unwrap_or_default().to_vec(),
        };
        self.unwatch(work.slot);
        let packet = encode(&ToFellow::Request(Box::new(passed)));
        let sent = packet.is_ok_and(|packet| fellows.send(worker, &packet, work.fd.as_fd()).is_ok());
        if sent {
            site.slot.counter(Counter::InFlight).fetch_sub(1, Relaxed);
            self.close(work.slot);
            self.recycle(work.request);
            return Ok(());
        }
        self.watch(work.slot);
        Err(work)
    }

    /// Takes what fellows have sent; a worker that drains passes on what it need not answer.
    pub(crate) fn handle_inbox(&mut self) {
        if self.take_from_inbox(self.site.worker, &mut new_packet()) > 0 {
            self.help_until = Duration::ZERO;
            self.has_helped = true;
        }
        if self.drain.is_some() {
            self.clear_inbox();
            self.settle_idle();
        }
    }

    /// Takes what was sent to workers that had just left, or are only coming: nobody else may ever look there.
    pub(crate) fn take_leavings(&mut self) {
        let site = Arc::clone(&self.site);
        let Some(fellows) = &site.fellows else { return };
        let mut packet = new_packet();
        for worker in fellows.closed(site.worker) {
            while self.take_from_inbox(worker, &mut packet) > 0 {}
        }
    }

    /// Takes up to [`ARRIVALS`] packets that were sent to a worker, and counts them.
    fn take_from_inbox(&mut self, worker: u16, packet: &mut [u8]) -> usize {
        let site = Arc::clone(&self.site);
        let Some(inbox) = site.fellows.as_ref().and_then(|fellows| fellows.inbox(worker)) else { return 0 };
        for count in 0..ARRIVALS {
            let Ok(Some((length, descriptors))) = inbox.recv(packet) else { return count };
            let Some(fd) = descriptors.into_iter().next() else { continue };
            match decode(&packet[..length]) {
                Ok(ToFellow::Request(passed)) => self.take_over(*passed, fd),
                Ok(ToFellow::Connection(adopted)) => self.adopt(adopted, fd),
                Err(error) => self.site.log.say(format_args!(
                    "another worker has sent what this version does not know: {error}; restart the instance"
                )),
            }
        }
        ARRIVALS
    }

    /// Takes what is in this worker's own inbox and looks there no more.
    pub(crate) fn clear_inbox(&mut self) {
        self.leave_inbox();
        let mut packet = new_packet();
        while self.take_from_inbox(self.site.worker, &mut packet) > 0 {}
    }

    /// A successor with this worker's number, or another worker, takes what still comes.
    fn leave_inbox(&self) {
        if let Some(inbox) = self.site.fellows.as_ref().and_then(|fellows| fellows.inbox(self.site.worker)) {
            let _ = self.site.poller.delete(inbox);
        }
    }

    fn take_over(&mut self, passed: Passed, fd: OwnedFd) {
        let address = net::peer_of(fd.as_fd());
        let peer = Peer::new(address, self.site.trusts(address));
        let Some(slot) = self.insert(fd, passed.listener, peer) else { return };
        let mut request = self.request();
        restore(&passed, &mut request);
        let mut body = Body::default();
        if body.push(&passed.body, LARGEST).is_err() {
            return self.close(slot);
        }
        let connection = &mut self.connections[slot];
        connection.served = passed.served;
        connection.input = passed.input;
        connection.phase = Phase::Queued;
        if let (Some(records), Some(state)) = (&mut connection.records, passed.records) {
            records.resume(state);
        }
        self.name_client(slot, passed.client);
        self.enqueue(slot, request, body);
    }
}

/// Room for one packet.
fn new_packet() -> Vec<u8> {
    vec![0; 2 * LARGEST]
}

fn restore(passed: &Passed, request: &mut Request) {
    for (name, value) in &passed.vars {
        request.push(Name::from_bytes(name), value);
    }
    request.version = if passed.is_http10 { Version::Http10 } else { Version::Http11 };
    request.keep_alive = passed.keep_alive;
    request.head_len = passed.head_len as usize;
    request.set_trusted(passed.trusted);
    let (https, client) = &passed.forwarded;
    request.set_forwarded(*https, client.as_deref());
    request.body = match passed.body.len() {
        0 => BodyLength::None,
        length => BodyLength::Known(length as u64),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fellows::Fellows;
    use crate::reactor::tests::reactor;

    #[test]
    fn an_offer_of_help_ends_when_the_worker_takes_nothing_new_whoever_hears_of_it() {
        let fellows = Arc::new(Fellows::new(2).unwrap().unwrap());
        let mut reactor = reactor(None, Some(Arc::clone(&fellows)));
        reactor.offer_help();
        assert_eq!(fellows.claim(2), None, "it takes nothing yet");
        reactor.start_accepting().unwrap();
        reactor.offer_help();
        assert_eq!(fellows.claim(2), Some(1));
        reactor.end_offer();
        assert!(reactor.help_until > clock::monotonic(), "a request is on its way");
        // The watcher hears that the worker is to leave, while the leader waits.
        reactor.offer_help();
        reactor.stop_accepting();
        assert_eq!(fellows.claim(2), None);
        reactor.offer_help();
        assert_eq!(fellows.claim(2), None);
    }
}
