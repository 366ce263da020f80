//! Options: static files.

use super::{Kind, OptionRow, flag, value};

const FRESH: &str = "a path is looked at afresh by one system call, so that a change shows at once";

#[rustfmt::skip] // One row a line: a table.
pub(super) const ROWS: &[OptionRow] = &[
    value(&["static-map"], Kind::KeyValue, "Serves a directory or file below a path, as `/path=directory`; whole segments count, so that `/path` is no part of `/paths`.").list().works(),
    value(&["static-map2"], Kind::KeyValue, "The same, with the path appended to the directory.").list().works(),
    value(&["check-static", "static-check"], Kind::Path, "Serves files of this directory before the application is asked.").list().works(),
    flag(&["check-static-docroot"], "Serves files of the request's DOCUMENT_ROOT before the application is asked.").works(),
    value(&["static-index"], Kind::Text, "File served for a directory.").list().works(),
    value(&["static-skip-ext"], Kind::Text, "Leaves paths that end in this to the application, also where an index or a link ends so.").list().works(),
    value(&["static-safe"], Kind::Path, "Directory into which links may lead.").list().works(),
    value(&["mime-file", "mimefile"], Kind::Path, "Reads media types from a file instead of /etc/mime.types.").list().works(),
    value(&["static-expires"], Kind::Text, "Sets Expires on files whose path matches, as `pattern seconds`.").list().works(),
    value(&["static-expires-mtime"], Kind::Text, "The same, counted from the time of the file.").list().works(),
    value(&["static-expires-type"], Kind::KeyValue, "Sets Expires by media type, as `type=seconds`.").list().works(),
    value(&["static-expires-type-mtime"], Kind::KeyValue, "The same, counted from the time of the file.").list().works(),
    value(&["static-expires-uri"], Kind::Text, "Sets Expires where REQUEST_URI matches, as `pattern seconds`.").list().works(),
    value(&["static-expires-uri-mtime"], Kind::Text, "The same, counted from the time of the file.").list().works(),
    value(&["static-expires-path-info"], Kind::Text, "Sets Expires where PATH_INFO matches, as `pattern seconds`.").list().works(),
    value(&["static-expires-path-info-mtime"], Kind::Text, "The same, counted from the time of the file.").list().works(),
    value(&["static-gzip"], Kind::Text, "Sends the .br, .zst or .gz neighbour of files whose path matches to clients that take it.").list().works(),
    flag(&["static-gzip-all"], "Sends the compressed neighbour of every file that has one.").works(),
    value(&["static-gzip-dir", "static-gzip-prefix"], Kind::Path, "Sends the compressed neighbour of files whose path begins with this.").list().works(),
    value(&["static-gzip-ext", "static-gzip-suffix"], Kind::Text, "Sends the compressed neighbour of files whose path ends with this.").list().works(),
    flag(&["honour-range"], "Answers Range requests for files with parts of them; on unless it is false.").works(),
    value(&["file-serve-mode", "fileserve-mode"], Kind::Text, "Lets the front server send files and choose among their codings: `x-accel-redirect` (or `nginx`) or `x-sendfile`.").works(),
    value(&["static-memory"], Kind::Bytes, "Bytes of small files that each worker keeps in memory, 8 MiB unless set; new in Margrave; a change through mmap shows when the mtime changes, and at once with 0.").works(),
    value(&["static-memory-file"], Kind::Bytes, "The largest file kept in memory, 64 KiB unless set; new in Margrave.").works(),
    flag(&["disable-sendfile"], "Does not use sendfile.").accepted("small files come from memory and large ones by the kernel; what is sent is the same"),
    value(&["static-cache-paths"], Kind::Seconds, "Remembers resolved paths for so many seconds.").accepted(FRESH),
    value(&["static-cache-paths-name"], Kind::Text, "Cache for resolved paths.").accepted(FRESH),
];
