//! What a slow client has not taken of an answer, moved from memory to a temporary file.
//!
//! It frees the thread: an application may then produce up to `write-file-limit` bytes more than its client takes
//! instead of waiting. Written by the application's thread, without the reactor's lock; sent by the reactor.

use crate::body::NoStore;
use crate::delivery::Rest;
use crate::log::RequestLog;
use crate::output::Unsent;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The file of one answer, made when it is needed.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    file: Option<Arc<File>>,
    /// Where the next bytes go.
    end: u64,
    limit: u64,
}

impl Spill {
    /// For at most `limit` bytes at a time.
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Whether so many bytes may be put into the file. `files_owed`: earlier ones are still to be sent from it.
    pub(crate) fn has_room(&self, owed: usize, files_owed: bool) -> bool {
        let held = if files_owed { self.end } else { 0 };
        owed as u64 + held <= self.limit
    }

    /// Stores bytes; what is then to be sent in their place. `files_owed`: earlier ones may still be in the file.
    pub(crate) fn store(&mut self, unsent: Unsent, files_owed: bool, log: &RequestLog) -> Rest<'static> {
        if !files_owed {
            // Never the same place twice: what was sent from a file lies in the kernel as pages of that file.
            self.file = None;
            self.end = 0;
        }
        let offset = self.end;
        match self.write(&unsent) {
            Ok(file) => Rest::File { file, offset, length: self.end - offset },
            Err(error) => {
                log.say(format_args!("cannot keep an answer for a slow client: {}", NoStore(&error)));
                self.limit = 0;
                Rest::Unsent(unsent)
            }
        }
    }

    fn write(&mut self, unsent: &Unsent) -> io::Result<Arc<File>> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(Arc::new(tempfile::tempfile()?))),
        };
        for bytes in unsent.pieces() {
            file.write_all_at(bytes, self.end)?;
            self.end += bytes.len() as u64;
        }
        Ok(file)
    }
}
