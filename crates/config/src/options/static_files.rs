//! Options: static files.

use super::{Kind, OptionRow, flag, value};

#[rustfmt::skip] // One row a line: a table.
pub(super) const ROWS: &[OptionRow] = &[
    value(&["static-map"], Kind::KeyValue, "Serves a directory or file below a path, as `/path=directory`.").list().works(),
    value(&["static-map2"], Kind::KeyValue, "The same, with the path appended to the directory.").list().works(),
    value(&["check-static", "static-check"], Kind::Path, "Serves files of this directory before the application is asked.").list().works(),
    value(&["static-index"], Kind::Text, "File served for a directory.").list().works(),
    value(&["static-skip-ext"], Kind::Text, "Leaves files that end in this to the application.").list().works(),
    value(&["static-safe"], Kind::Path, "Directory into which links may lead.").list().works(),
    value(&["mime-file", "mimefile"], Kind::Path, "Reads media types from a file.").list().works(),
    value(&["static-expires"], Kind::Text, "Sets Expires, as `pattern seconds`; only the pattern for all files works so far.").list().works(),
    value(&["file-serve-mode", "fileserve-mode"], Kind::Text, "How files are sent.").accepted("files are always sent by the kernel"),
    flag(&["disable-sendfile"], "Does not use sendfile."),
    flag(&["check-static-docroot"], "Serves files of DOCUMENT_ROOT before the application is asked."),
    value(&["static-cache-paths"], Kind::Seconds, "Remembers resolved paths for so many seconds.").accepted("paths are resolved afresh, which costs microseconds"),
    value(&["static-cache-paths-name"], Kind::Text, "Cache for resolved paths.").accepted("paths are resolved afresh, which costs microseconds"),
    value(&["static-expires-mtime"], Kind::Text, "Sets Expires counted from the time of the file.").list(),
    value(&["static-expires-type"], Kind::KeyValue, "Sets Expires by media type.").list(),
    value(&["static-expires-type-mtime"], Kind::KeyValue, "Sets Expires by media type, counted from the time of the file.").list(),
    value(&["static-expires-uri"], Kind::Text, "Sets Expires by request URI.").list(),
    value(&["static-expires-uri-mtime"], Kind::Text, "Sets Expires by request URI, counted from the time of the file.").list(),
    value(&["static-expires-path-info"], Kind::Text, "Sets Expires by PATH_INFO.").list(),
    value(&["static-expires-path-info-mtime"], Kind::Text, "Sets Expires by PATH_INFO, counted from the time of the file.").list(),
    value(&["static-gzip"], Kind::Text, "Sends the compressed neighbour of files that match.").list(),
    flag(&["static-gzip-all"], "Sends the compressed neighbour of every file that has one."),
    value(&["static-gzip-dir", "static-gzip-prefix"], Kind::Path, "Sends the compressed neighbour of files in this directory.").list(),
    value(&["static-gzip-ext", "static-gzip-suffix"], Kind::Text, "Sends the compressed neighbour of files that end in this.").list(),
    flag(&["honour-range"], "Answers Range requests in the server."),
];
