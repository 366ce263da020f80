//! What one generation has promised and which limits its workers have.

use crate::cheaper::Scaling;
use core::time::Duration;

/// Workers that orders can add beyond those that the configuration asks for.
pub const SPARE_SEATS: u16 = 16;

/// The rules of one generation, from its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Workers that serve.
    pub workers: u16,
    /// Recycle a worker after so many requests.
    pub max_requests: Option<u64>,
    /// Requests added to that per worker number; `None` = up to 10 % at random.
    pub max_requests_delta: Option<u64>,
    /// Recycle a worker of this age.
    pub max_lifetime: Option<Duration>,
    /// Time added to that per worker number.
    pub max_lifetime_delta: Duration,
    /// No worker younger than this is recycled.
    pub min_lifetime: Duration,
    /// Recycle a worker with so many resident bytes.
    pub max_resident: Option<u64>,
    /// Recycle a worker with so many bytes of address space.
    pub max_address_space: Option<u64>,
    /// Recycle a worker with so many bytes of its own.
    pub max_unique: Option<u64>,
    /// Recycle a worker whose share of memory is so many bytes.
    pub max_proportional: Option<u64>,
    /// Kill a worker with so many resident bytes.
    pub evil_resident: Option<u64>,
    /// Kill a worker with so many bytes of address space.
    pub evil_address_space: Option<u64>,
    /// Longest drain of a worker that is replaced.
    pub worker_mercy: Duration,
    /// Longest drain at a stop.
    pub mercy: Duration,
    /// Longest time from the start of a new generation until all its workers are ready; the first one has all the time.
    pub reload_deadline: Duration,
    /// A worker this long past the deadline of one of its requests is replaced.
    pub overdue_grace: Option<Duration>,
    /// Time for its other requests once its replacement is there; `None` = it is killed at once, without waiting for one.
    pub overdue_mercy: Option<Duration>,
    /// A reload is a stop.
    pub exit_on_reload: bool,
    /// Each worker loads the application itself. The first of a generation goes ahead, so that a failure is told once.
    pub lazy: bool,
    /// Deaths in a row of one worker, before the first has become ready, that end the start; `None` = it is tried for ever.
    pub start_attempts: Option<u32>,
    /// How many workers there are follows the load; `None` = always `workers`.
    pub scaling: Option<Scaling>,
    /// No worker before the first connection.
    pub cheap: bool,
    /// Time without a request after which all workers end until the next connection.
    pub idle: Option<Duration>,
    /// The instance ends then.
    pub die_on_idle: bool,
    /// Time between the word that a stop is near and its beginning.
    pub drain_delay: Duration,
    /// Another instance serves until this one is whole, which therefore starts as a new generation would.
    pub beside: bool,
    /// A reload must answer a request of ours before it takes over.
    pub check: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            workers: 1,
            max_requests: None,
            max_requests_delta: None,
            max_lifetime: None,
            max_lifetime_delta: Duration::ZERO,
            min_lifetime: Duration::ZERO,
            max_resident: None,
            max_address_space: None,
            max_unique: None,
            max_proportional: None,
            evil_resident: None,
            evil_address_space: None,
            worker_mercy: Duration::from_secs(60),
            mercy: Duration::from_secs(60),
            reload_deadline: Duration::from_secs(300),
            overdue_grace: None,
            overdue_mercy: None,
            exit_on_reload: false,
            lazy: false,
            start_attempts: None,
            scaling: None,
            cheap: false,
            idle: None,
            die_on_idle: false,
            drain_delay: Duration::ZERO,
            beside: false,
            check: false,
        }
    }
}

impl Policy {
    /// Rows of a scoreboard that always has a free one for a replacement: row 0, two per worker, one more.
    #[must_use]
    pub fn slots(&self) -> u16 {
        self.seats().saturating_mul(2).saturating_add(2)
    }

    /// Worker numbers there are.
    #[must_use]
    pub fn seats(&self) -> u16 {
        self.workers.saturating_add(SPARE_SEATS)
    }

    /// Workers to start with.
    #[must_use]
    pub fn initial(&self) -> u16 {
        self.scaling.as_ref().map_or(self.workers, |scaling| scaling.initial.clamp(1, self.workers))
    }
}
