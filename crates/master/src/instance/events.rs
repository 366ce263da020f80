//! What happens to the master: readiness becomes events, events reach the part that they concern.

use super::{Instance, REPORT_GRACE};
use crate::event::{Event, Source};
use margrave_config::settings::{Phase, SignalOrder};
use margrave_lifecycle::message::{ForkId, decode};
use margrave_lifecycle::order::{Manner, Order};
use margrave_lifecycle::supervisor::{self, Level};
use margrave_sys::clock::monotonic;
use margrave_sys::process;
use margrave_sys::signal::Received;
use std::io;

impl Instance {
    /// Turns readiness into events.
    pub(super) fn read(&mut self, source: Source) {
        match source {
            Source::Signals => {
                while let Some(signal) = self.parts.signals.next() {
                    self.handle(Event::Signal(signal));
                }
            }
            Source::Zygote(generation) => self.read_zygote(generation),
            Source::Worker(id) => self.read_worker(id),
            Source::Pidfd(id) => self.handle(Event::WorkerEnded(id)),
            Source::Fifo => self.handle(Event::Fifo),
            Source::Watch => self.handle(Event::Watch),
            Source::Descriptor(number) => self.handle(Event::Descriptor(number)),
            Source::Listener(_) => self.handle(Event::Connection),
            Source::Check => self.handle(Event::Check),
            Source::Successor => self.handle(Event::Successor),
            Source::Predecessor => self.handle(Event::Predecessor),
            Source::Tracebacker(worker) => self.handle(Event::Tracebacker(worker)),
            Source::Log => self.handle(Event::Log),
            Source::Control => self.handle(Event::Control),
            Source::ControlClient(number) => self.handle(Event::ControlClient(number)),
            Source::LogMoved => self.handle(Event::LogMoved),
            Source::Stats => self.handle(Event::Stats),
            Source::StatsClient(number) => self.handle(Event::StatsClient(number)),
        }
    }

    pub(super) fn read_zygote(&mut self, generation: u32) {
        loop {
            let Some(known) = self.generations.get_mut(&generation) else { return };
            let event = match known.zygote.recv(&mut self.buffer) {
                Ok(Some((length, descriptors))) => match decode(&self.buffer[..length]) {
                    Ok(message) => Event::Zygote(generation, message, descriptors),
                    Err(error) => {
                        self.parts.log.say(Level::Error, &format!("a zygote sent nonsense: {error}"));
                        continue;
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                closed => {
                    known.booted.get_or_insert(closed.is_ok());
                    self.handle(Event::ZygoteClosed(generation));
                    return;
                }
            };
            self.handle(event);
        }
    }

    pub(super) fn read_worker(&mut self, id: ForkId) {
        loop {
            let Some(channel) = self.workers.get(&id).and_then(|worker| worker.channel.as_ref()) else {
                return;
            };
            let event = match channel.recv(&mut self.buffer) {
                Ok(Some((length, descriptors))) => match decode(&self.buffer[..length]) {
                    Ok(message) => Event::Worker(id, message, descriptors),
                    Err(error) => {
                        self.parts.log.say(Level::Error, &format!("a worker sent nonsense: {error}"));
                        continue;
                    }
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(None) | Err(_) => {
                    self.handle(Event::WorkerClosed(id));
                    return;
                }
            };
            self.handle(event);
        }
    }

    pub(super) fn handle(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => self.signal(signal),
            Event::Zygote(generation, message, descriptors) => self.zygote(generation, message, descriptors),
            Event::ZygoteClosed(generation) => {
                if let Some(known) = self.generations.get(&generation) {
                    let _ = self.poller.delete(&known.zygote);
                }
            }
            Event::Worker(id, message, descriptors) => self.worker(id, message, descriptors),
            Event::WorkerClosed(id) => {
                if let Some(worker) = self.workers.get_mut(&id)
                    && let Some(channel) = worker.channel.take()
                {
                    let _ = self.poller.delete(&channel);
                }
            }
            Event::WorkerEnded(id) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.ended = Some(monotonic());
                    if let Some(pidfd) = &worker.pidfd {
                        let _ = self.poller.delete(pidfd);
                    }
                    self.next_look = self.next_look.min(monotonic() + REPORT_GRACE);
                }
            }
            Event::Reaped(pid, ending) => self.reaped(pid, ending),
            Event::Fifo => self.read_fifo(),
            Event::Watch => self.watch.read(monotonic()),
            Event::Descriptor(number) => {
                if let Some((order, cause)) = self.descriptors.read(number, &self.poller) {
                    self.obey_unheard(order, &cause);
                }
            }
            Event::Connection => self.tell(supervisor::Event::Connection),
            Event::Check => self.read_check(),
            Event::Successor => self.read_successor(),
            Event::Predecessor => self.read_predecessor(),
            Event::Tracebacker(worker) => self.trace_worker(worker),
            Event::Log => {
                if let Some(collector) = &mut self.parts.collector {
                    collector.drain(&self.parts.log);
                }
            }
            Event::Control => self.parts.control.accept(&self.poller),
            Event::ControlClient(number) => self.proceed_control(number),
            Event::LogMoved => self.spread_output(),
            Event::Stats => self.accept_stats(),
            Event::StatsClient(number) => self.proceed_stats(number),
            Event::Tick => self.tick(),
        }
    }

    /// Obeys what has been written to the master FIFO, letter by letter.
    fn read_fifo(&mut self) {
        let (orders, trouble) = self.fifos.read(&self.poller);
        if let Some(error) = trouble {
            self.parts.log.say(Level::Error, &error.to_string());
        }
        for order in orders {
            self.obey_unheard(order, "the master FIFO");
        }
    }

    fn read_check(&mut self) {
        let Some(verdict) = self.check.as_mut().and_then(crate::check::Check::read) else { return };
        self.end_check(verdict);
    }

    /// Tells the supervisor how the check went.
    pub(super) fn end_check(&mut self, verdict: Result<(), String>) {
        if let Some(check) = self.check.take() {
            let _ = self.poller.delete(&check);
            self.tell(supervisor::Event::Checked { generation: check.generation, verdict });
        }
    }

    pub(super) fn signal(&mut self, signal: Received) {
        let other =
            signal.number().and_then(|number| Some((number, *self.parts.hooks.signals.get(&number)?)));
        if let Some((number, meaning)) = other {
            self.obey_unheard(order_of(meaning), &margrave_sys::signal::name(number));
            return;
        }
        let (order, cause) = match signal {
            Received::Terminate if self.parts.settings.process.term_reloads => {
                (Order::Reload(Manner::Graceful), "SIGTERM")
            }
            Received::EmperorStop => return self.obey_emperor(Phase::EmperorStop, Order::Stop),
            Received::EmperorReload => {
                return self.obey_emperor(Phase::EmperorReload, Order::Reload(Manner::Graceful));
            }
            Received::Terminate | Received::Stop => (Order::Stop, "SIGTERM"),
            Received::Interrupt => (Order::Halt, "SIGINT"),
            Received::Quit => (Order::Halt, "SIGQUIT"),
            Received::Hangup => (Order::Reload(Manner::Graceful), "SIGHUP"),
            Received::User1 => (Order::Stacks, "SIGUSR1"),
            Received::User2 => (Order::Upgrade, "SIGUSR2"),
            Received::Pause => (Order::TogglePause, "SIGTSTP"),
            Received::Child => {
                while let Some((pid, ending)) = process::reap() {
                    self.handle(Event::Reaped(pid, ending));
                }
                return;
            }
        };
        self.obey_unheard(order, cause);
    }
}

/// What `unix_signal` has made of a signal.
fn order_of(meaning: SignalOrder) -> Order {
    match meaning {
        SignalOrder::Stop => Order::Stop,
        SignalOrder::Halt => Order::Halt,
        SignalOrder::Reload => Order::Reload(Manner::Graceful),
        SignalOrder::BrutalReload => Order::Reload(Manner::Brutal),
        SignalOrder::TogglePause => Order::TogglePause,
        SignalOrder::Statistics => Order::Statistics,
    }
}
