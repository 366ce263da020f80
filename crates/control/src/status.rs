//! The document of `status`, for a person.

use serde_json::Value;
use std::fmt::Write;

/// The document as text: a head, the sockets, a row for each worker.
#[must_use]
pub fn text(document: &Value) -> String {
    let (instance, stats) = (&document["instance"], &document["stats"]);
    let mut text = format!(
        "{}  pid {}  {}  margrave {}\n",
        word(&instance["name"]),
        stats["pid"],
        word(&instance["state"]),
        word(&instance["version"])
    );
    let _ = writeln!(
        text,
        "generation {}, {} reloads, up for {}",
        instance["generation"],
        instance["reloads"],
        span(number(&instance["uptime"]))
    );
    let mut rows = vec![cells(["listens on", "protocol", "waiting", "at most"])];
    for socket in list(&stats["sockets"]) {
        rows.push(cells([
            word(&socket["name"]),
            word(&socket["proto"]),
            shown(&socket["queue"]),
            shown(&socket["max_queue"]),
        ]));
    }
    text.push('\n');
    text.push_str(&columns(&rows));
    rows = vec![cells(["worker", "pid", "state", "requests", "exceptions", "average", "memory", "respawns"])];
    for worker in list(&stats["workers"]) {
        rows.push(cells([
            shown(&worker["id"]),
            shown(&worker["pid"]),
            word(&worker["status"]),
            shown(&worker["requests"]),
            shown(&worker["exceptions"]),
            micros(number(&worker["avg_rt"])),
            bytes(number(&worker["rss"])),
            shown(&worker["respawn_count"]),
        ]));
    }
    text.push_str("\n\n");
    text.push_str(&columns(&rows));
    let running: Vec<Vec<String>> =
        current_requests(stats).map(|(worker, request)| cells([worker, request])).collect();
    if !running.is_empty() {
        text.push_str("\n\n");
        text.push_str(&columns(&running));
    }
    text
}

/// What the workers are doing: `worker 1 core 0` and the request, as far as it is known.
pub fn current_requests(stats: &Value) -> impl Iterator<Item = (String, String)> + '_ {
    list(&stats["workers"]).iter().flat_map(|worker| {
        list(&worker["cores"]).iter().filter(|core| number(&core["in_request"]) > 0).map(move |core| {
            let place = format!("worker {} core {}", worker["id"], core["id"]);
            let var = |name: &str| {
                let vars = list(&core["vars"]).iter().filter_map(Value::as_str);
                vars.filter_map(|var| var.split_once('='))
                    .find(|(key, _)| *key == name)
                    .map_or("", |(_, value)| value)
            };
            let request =
                format!("{} {} from {}", var("REQUEST_METHOD"), var("REQUEST_URI"), var("REMOTE_ADDR"));
            (place, request)
        })
    })
}

fn cells<const N: usize>(cells: [impl Into<String>; N]) -> Vec<String> {
    cells.map(Into::into).into()
}

/// Rows in columns, two blanks between them.
#[must_use]
pub fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// An array's elements; none of anything else.
#[must_use]
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A number; 0 of anything else.
#[must_use]
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Text without its quotes.
#[must_use]
pub fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Value) -> String {
    value.to_string()
}

/// Microseconds in the unit that suits them.
#[must_use]
pub fn micros(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} us"),
        1000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// Bytes in the unit that suits them.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MB", bytes >> 20),
        _ => format!("{:.1} GB", bytes as f64 / 1_073_741_824.0),
    }
}

/// Seconds in the two largest units.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_becomes_a_page() {
        let document = json!({
            "instance": {"name": "site", "state": "serving", "version": "0.1.0", "generation": 2, "reloads": 1, "uptime": 3723},
            "stats": {
                "pid": 7,
                "sockets": [{"name": "127.0.0.1:80", "proto": "http", "queue": 0, "max_queue": 4096}],
                "workers": [{
                    "id": 1, "pid": 8, "status": "busy", "requests": 12, "exceptions": 0, "avg_rt": 1500, "rss": 31_457_280,
                    "respawn_count": 1,
                    "cores": [{"id": 0, "in_request": 1, "vars": ["REQUEST_METHOD=GET", "REQUEST_URI=/a=b", "REMOTE_ADDR=::1"]}],
                }],
            },
        });
        let expected = "site  pid 7  serving  margrave 0.1.0\n\
            generation 2, 1 reloads, up for 1 h 2 min\n\n\
            listens on    protocol  waiting  at most\n\
            127.0.0.1:80  http      0        4096\n\n\
            worker  pid  state  requests  exceptions  average  memory  respawns\n\
            1       8    busy   12        0           1.5 ms   30 MB   1\n\n\
            worker 1 core 0  GET /a=b from ::1";
        assert_eq!(text(&document), expected);
    }

    #[test]
    fn units_suit_their_values() {
        assert_eq!([micros(999), micros(1000), micros(2_500_000)], ["999 us", "1.0 ms", "2.5 s"]);
        assert_eq!(
            [bytes(1), bytes(2048), bytes(5 << 20), bytes(3 << 30)],
            ["1 B", "2 KB", "5 MB", "3.0 GB"]
        );
        assert_eq!([span(5), span(65), span(90_000)], ["5 s", "1 min 5 s", "1 d 1 h"]);
    }
}
