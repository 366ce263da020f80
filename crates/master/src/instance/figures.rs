//! Figures for others: the stats server, `/metrics`, the document of `margrave ctl status`, pushers.

use super::Instance;
use crate::stats::{Facts, Report, View, Wanted, metrics_of, prometheus_text};
use margrave_sys::clock::{monotonic, wall};
use std::time::Duration;

impl Instance {
    /// What the figures are made from; `None` while nothing serves.
    pub(super) fn view(&self) -> Option<View<'_>> {
        let number = self.supervisor.live()?;
        let generation = self.generations.get(&number)?;
        Some(View {
            generation,
            generations: &self.generations,
            number,
            workers: &self.workers,
            daemons: self.beside.daemons(),
            crons: self.beside.crons(),
        })
    }

    /// Takes clients of the stats server. Before anything serves, they wait in the backlog.
    pub(super) fn accept_stats(&mut self) {
        if self.view().is_none() {
            return;
        }
        let taken = self.parts.stats.as_mut().map(|stats| stats.accept(&self.poller, monotonic()));
        for number in taken.unwrap_or_default() {
            self.proceed_stats(number);
        }
    }

    pub(super) fn proceed_stats(&mut self, number: u32) {
        if let Some(wanted) = self.parts.stats.as_mut().and_then(|stats| stats.proceed(number)) {
            self.answer_stats(number, wanted);
        }
    }

    fn answer_stats(&mut self, number: u32, wanted: Wanted) {
        let Some(body) = self.figures(wanted) else { return };
        if let Some(stats) = &mut self.parts.stats {
            stats.answer(number, wanted, &body);
        }
    }

    fn figures(&self, wanted: Wanted) -> Option<Vec<u8>> {
        let view = self.view()?;
        let report = Report::new(&view);
        Some(match wanted {
            Wanted::Json => {
                let no_cores = view.generation.settings.stats.no_cores;
                let report = if no_cores { report.without_cores() } else { report };
                self.parts.stats.as_ref()?.render(&report)
            }
            Wanted::Prometheus => {
                let facts = Facts {
                    report: &report,
                    totals: &self.ledger.with_the_living(&view),
                    reloads: self.reloads,
                    started: wall().saturating_sub(monotonic().saturating_sub(self.started)).as_secs(),
                    lost_lines: self.parts.log.lost(),
                    version: self.parts.version,
                };
                prometheus_text(&view, &facts).into_bytes()
            }
        })
    }

    /// What is due by time.
    pub(super) fn look_at_figures(&mut self, now: Duration) {
        let silent = self.parts.stats.as_mut().map(|stats| stats.expire(now)).unwrap_or_default();
        for number in silent {
            self.answer_stats(number, Wanted::Json);
        }
        if self.pushers.next().is_none_or(|at| at > now) {
            return;
        }
        let mut pushers = std::mem::take(&mut self.pushers);
        if let Some(view) = self.view() {
            let report = Report::new(&view);
            let metrics = metrics_of(&report, !view.generation.settings.stats.metrics_no_cores);
            pushers.push(&report, &metrics, now);
        }
        self.pushers = pushers;
    }
}
