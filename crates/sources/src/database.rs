//! One query on an SQLite database.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a query may take.
pub const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;

/// The first two columns of each row.
pub(crate) fn rows(
    path: &Path,
    query: &str,
    limit: usize,
    timeout: Duration,
) -> io::Result<Vec<(String, String)>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags).map_err(io::Error::other)?;
    let deadline = Instant::now() + timeout;
    database.busy_timeout(timeout).map_err(io::Error::other)?;
    database.progress_handler(STEPS, Some(move || Instant::now() > deadline));
    let explain = |error: rusqlite::Error| {
        let is_interrupted = error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted);
        if is_interrupted {
            let message = format!("the query took longer than {} seconds", timeout.as_secs());
            io::Error::new(io::ErrorKind::TimedOut, message)
        } else {
            io::Error::other(error)
        }
    };
    let mut statement = database.prepare(query).map_err(explain)?;
    if statement.column_count() < 2 {
        return Err(io::Error::other("the query gives one column; options are two, name and value"));
    }
    let mut rows = statement.query([]).map_err(explain)?;
    let mut pairs = Vec::new();
    let mut size = 0;
    while let Some(row) = rows.next().map_err(explain)? {
        let pair = (text(row, 0)?, text(row, 1)?);
        size += pair.0.len() + pair.1.len();
        if size > limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// A column as SQLite shows it as text; NULL is empty.
fn text(row: &Row<'_>, column: usize) -> io::Result<String> {
    Ok(match row.get_ref(column).map_err(io::Error::other)? {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(statements: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        Connection::open(file.path()).unwrap().execute_batch(statements).unwrap();
        file
    }

    const TABLE: &str = "CREATE TABLE uwsgi (name, value); \
        INSERT INTO uwsgi VALUES ('processes', 4), ('master', 'true'), ('env', NULL), ('ratio', 1.5);";

    fn ask(statements: &str, query: &str) -> Result<Vec<(String, String)>, String> {
        let file = database(statements);
        rows(file.path(), query, 1000, QUERY_TIMEOUT).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_come_as_texts_in_order() {
        let pairs = ask(TABLE, "SELECT * FROM uwsgi").unwrap();
        let expected = [("processes", "4"), ("master", "true"), ("env", ""), ("ratio", "1.5")];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn mistakes_and_bounds_are_named() {
        for (query, message) in [
            ("SELECT * FROM missing", "no such table"),
            ("SELECT name FROM uwsgi", "gives one column"),
            ("DELETE FROM uwsgi RETURNING name, value", "readonly database"),
            (
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i FROM n",
                "file too large",
            ),
        ] {
            let error = ask(TABLE, query).unwrap_err();
            assert!(error.contains(message), "{query}: {error}");
        }
    }

    #[test]
    fn an_endless_query_is_interrupted() {
        let file = database(TABLE);
        let query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i), 1 FROM n";
        let error = rows(file.path(), query, 1000, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
