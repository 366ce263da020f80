//! The picture: a head, the curve of requests a second, latencies, a row for each worker, current requests.

use crate::figures::{Figures, Quantiles};
use margrave_control::status::{bytes, micros, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Sparkline, Table};

const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const WEAK: Style = Style::new().fg(Color::DarkGray);

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, figures: &Figures) {
    let workers = figures.workers();
    let rows = u16::try_from(workers.len()).unwrap_or(u16::MAX).saturating_add(1);
    let [head, curve, latencies, table, current, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(4),
        Constraint::Length(5),
        Constraint::Length(rows.saturating_add(1)),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_head(frame, head, figures);
    frame.render_widget(Sparkline::default().data(latest(&figures.history, curve.width)), curve);
    draw_latencies(frame, latencies, figures);
    draw_workers(frame, table, figures);
    draw_current(frame, current, figures);
    frame.render_widget(Paragraph::new("q ends").style(WEAK), foot);
}

fn latest(history: &[u64], width: u16) -> &[u64] {
    &history[history.len().saturating_sub(width.into())..]
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let first = Line::from(vec![
        Span::styled(figures.text("name"), STRONG),
        Span::raw(format!("  pid {}  {}", figures.pid(), figures.text("state"))),
        Span::styled(
            format!(
                "  generation {}, {} reloads, up for {}",
                figures.count("generation"),
                figures.count("reloads"),
                span(figures.count("uptime"))
            ),
            WEAK,
        ),
    ]);
    let second = Line::from(vec![
        Span::styled(format!("{:.0} requests/s", figures.rate()), STRONG),
        Span::raw(format!("  {} in all, {} connections wait", figures.requests(), figures.waiting())),
    ]);
    frame.render_widget(Paragraph::new(vec![first, second]), area);
}

fn draw_latencies(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let row = |name: &str, quantiles: Quantiles| {
        let shown =
            |value: Option<u64>| value.map_or("-".to_owned(), |value| format!("<= {}", micros(value)));
        let Quantiles { half, most, nearly_all } = quantiles;
        Row::new([name.to_owned(), shown(half), shown(most), shown(nearly_all)])
    };
    let rows = [
        row("in requests", figures.quantiles("duration")),
        row("without a thread", figures.quantiles("queue")),
        row("without the GIL", figures.quantiles("gil")),
    ];
    let widths = [18, 12, 12, 12].map(Constraint::Length);
    let head = Row::new(["time", "50 %", "95 %", "99 %"]).style(WEAK);
    frame.render_widget(Table::new(rows, widths).header(head), area);
}

fn draw_workers(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let names =
        ["worker", "pid", "state", "requests/s", "busy", "requests", "exceptions", "memory", "spawns"];
    let rows = figures.workers().into_iter().map(|worker| {
        let color = match worker.state.as_str() {
            "busy" => Color::Yellow,
            "idle" => Color::Green,
            _ => Color::DarkGray,
        };
        let mut cells = vec![Cell::from(worker.id.to_string()), Cell::from(worker.pid.to_string())];
        cells.push(Cell::from(worker.state).style(color));
        let rest = [
            format!("{:.1}", worker.rate),
            format!("{:.0} %", worker.busy * 100.0),
            worker.requests.to_string(),
            worker.exceptions.to_string(),
            bytes(worker.memory),
            worker.spawns.to_string(),
        ];
        cells.extend(rest.map(Cell::from));
        Row::new(cells)
    });
    let widths = [7, 9, 7, 11, 6, 10, 11, 8, 7].map(Constraint::Length);
    frame.render_widget(Table::new(rows, widths).header(Row::new(names).style(WEAK)), area);
}

fn draw_current(frame: &mut Frame<'_>, area: Rect, figures: &Figures) {
    let lines = figures.current().into_iter().map(|(place, request)| {
        Line::from(vec![Span::styled(format!("{place}  "), WEAK), Span::raw(request)])
    });
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn document(requests: u64) -> Value {
        json!({
            "instance": {"name": "shop", "state": "serving", "generation": 1, "reloads": 0, "uptime": 65},
            "totals": {"requests": requests},
            "histograms": {"bounds": [64, 128], "duration": [requests, 0, 0], "queue": [requests, 0, 0], "gil": [0, 0, 0]},
            "stats": {"pid": 7, "listen_queue": 3, "workers": [{
                "id": 1, "pid": 8, "status": "busy", "requests": requests, "running_time": requests * 500, "exceptions": 2,
                "rss": 31_457_280, "respawn_count": 1,
                "cores": [{"id": 0, "in_request": 1, "vars": ["REQUEST_METHOD=GET", "REQUEST_URI=/x", "REMOTE_ADDR=::1"]}],
            }]},
        })
    }

    fn picture(figures: &Figures, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, figures)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
        cells.chunks(width.into()).map(|line| line.concat().trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn everything_has_its_place() {
        let figures = Figures::new(document(100)).next(document(1100), Duration::from_secs(1));
        let shown = picture(&figures, 100, 24);
        for wanted in [
            "shop  pid 7  serving  generation 1, 0 reloads, up for 1 min 5 s\n",
            "1000 requests/s  1100 in all, 3 connections wait\n",
            "in requests        <= 64 us     <= 64 us     <= 64 us\n",
            "without the GIL    -            -            -\n",
            "1       8         busy    1000.0      50 %   1100       2           30 MB    1\n",
            "worker 1 core 0  GET /x from ::1\n",
            "q ends\n",
        ] {
            assert!(shown.contains(wanted), "{wanted}is not in\n{shown}");
        }
    }

    #[test]
    fn a_small_terminal_shows_what_fits() {
        let figures = Figures::new(document(1));
        for (width, height) in [(1, 1), (10, 3), (40, 8), (300, 100)] {
            assert_eq!(picture(&figures, width, height).lines().count(), usize::from(height));
        }
    }
}
