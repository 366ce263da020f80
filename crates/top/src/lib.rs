//! `margrave top`: an instance on a terminal. Asks the control socket once a second and shows what has changed.
//!
//! [`figures`] computes from two documents, [`screen`] draws, [`run`] asks, waits for keys and cleans up.

mod figures;
mod screen;

pub use figures::Figures;
pub use screen::draw;

use margrave_control::ControlError;
use margrave_control::command::{self, Client};
use margrave_lifecycle::order::Order;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io;
use std::time::{Duration, Instant};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Why it ends with an error.
#[derive(Debug)]
pub enum TopError {
    /// The instance cannot be asked.
    Control(ControlError),
    /// The terminal does not work.
    Terminal(io::Error),
}

impl std::fmt::Display for TopError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control(error) => error.fmt(f),
            Self::Terminal(error) => {
                write!(f, "this needs a terminal: {error}; in a script use `margrave ctl --json status`")
            }
        }
    }
}

/// Shows an instance until a key ends it. `words` say which: `[--socket S | --pidfile P | NAME]`.
///
/// # Errors
/// When there is no such instance, it cannot be asked, or there is no terminal.
pub fn run(words: &[String]) -> Result<(), TopError> {
    let (mut target, _, rest) = command::options(words).map_err(TopError::Control)?;
    match rest.as_slice() {
        [] => {}
        [name] => target.name = Some(name.clone()),
        _ => {
            let usage = "write `margrave top [--socket S | --pidfile P | NAME]`";
            return Err(TopError::Control(ControlError::Usage(usage.to_owned())));
        }
    }
    let found = target.find().map_err(TopError::Control)?;
    let mut client = found.connect(Order::Status).map_err(TopError::Control)?;
    let first = ask(&mut client)?;
    let mut terminal = ratatui::try_init().map_err(TopError::Terminal)?;
    let shown = show(&mut terminal, &mut client, Figures::new(first));
    ratatui::restore();
    shown
}

fn ask(client: &mut Client) -> Result<serde_json::Value, TopError> {
    client.ask(Order::Status).map(|reply| reply.status).map_err(TopError::Control)
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    client: &mut Client,
    mut figures: Figures,
) -> Result<(), TopError> {
    let mut last = Instant::now();
    loop {
        terminal.draw(|frame| draw(frame, &figures)).map_err(TopError::Terminal)?;
        let wait = EVERY.saturating_sub(last.elapsed());
        if event::poll(wait).map_err(TopError::Terminal)? {
            match event::read().map_err(TopError::Terminal)? {
                Event::Key(key) if ends(key) => return Ok(()),
                _ => continue,
            }
        }
        let passed = last.elapsed();
        last = Instant::now();
        figures = figures.next(ask(client)?, passed);
    }
}

/// `q`, Escape and Control-C.
fn ends(key: KeyEvent) -> bool {
    let interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) || interrupt)
}
