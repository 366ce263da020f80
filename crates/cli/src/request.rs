//! `margrave request`: standard streams and exit code around `margrave-client`.

use margrave_client::{ClientError, USAGE, parse, perform};
use std::io;

const ABOUT: &str = "Makes one request and prints the answer.

  --http, --uwsgi, --fastcgi, --scgi   what to speak; HTTP where none is given
  ADDRESS        host:port, [v6]:port, :port, a socket's path, or @name
  PATH           path and query, as they are to be sent
  -X METHOD      GET, or POST with -d, where it is not given
  -H 'N: value'  a field; may come again
  -d DATA        the body: text, @FILE, or - for standard input
  --var N=VALUE  a variable beside or instead of those made of the rest (not for HTTP)
  --modifier1 N, --modifier2 N   of a uwsgi packet; --modifier1 100 pings
  --timeout S    for the whole exchange; 30 where it is not given
  -i             prints the answer's head too; -I asks for the head alone
  -v             shows the exchange on standard error
  -f             a status from 400 on is an error

Exit codes are curl's: 0 an answer came, 2 wrong arguments, 6 no such host, 7 nobody took the connection, 8 the answer
is none, 18 it broke off, 22 -f and an error status, 23 it cannot be written, 26 the data cannot be read, 28 time is
over, 52 closed without an answer, 56 the connection broke.";

/// Runs it; the exit code.
pub(crate) fn run(arguments: &[String]) -> i32 {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        crate::print(&[USAGE.to_owned(), ABOUT.to_owned()]);
        return 0;
    }
    let result = parse(arguments).and_then(|call| {
        perform(&call, Box::new(io::stdin()), &mut io::stdout().lock(), &mut io::stderr().lock())
    });
    match result {
        Ok(_) => 0,
        // The reader of the answer has gone, as `head` does.
        Err(ClientError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            crate::complain(&[format!("margrave: error: {error}")]);
            error.exit_code()
        }
    }
}
