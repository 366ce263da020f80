//! What is said over a control socket: a line of JSON each way, as often as the client likes.
//!
//! `{"order":"workers +1"}` is answered by `{"done":true,"text":"…"}`; the answer to `status` carries a document.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a request at most; who sends more is no client of ours.
pub const LONGEST_REQUEST: usize = 4096;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The words of an order.
    pub order: String,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The order is done, or under way.
    pub done: bool,
    /// In words: what happens, or why it does not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What was asked for.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub status: Value,
}

impl Reply {
    /// Done, in words.
    #[must_use]
    pub fn done(text: impl Into<String>) -> Self {
        Self { done: true, text: text.into(), status: Value::Null }
    }

    /// Refused, and why.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        Self { done: false, text: text.into(), status: Value::Null }
    }

    /// The line for the wire.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The words of a request's line.
///
/// # Errors
/// One sentence that says what is wrong with it.
pub fn parse(line: &[u8]) -> Result<Vec<String>, String> {
    let request: Request = serde_json::from_slice(line)
        .map_err(|error| format!("that is no request: {error}; send {{\"order\":\"status\"}}"))?;
    Ok(request.order.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_on_the_other_side() {
        let line = serde_json::to_vec(&Request { order: "log  reopen".into() }).unwrap();
        assert_eq!(parse(&line).unwrap(), ["log", "reopen"]);
        let error = parse(b"status").unwrap_err();
        assert!(error.contains("{\"order\":\"status\"}"), "{error}");
        let reply = Reply::done("reloading");
        assert_eq!(reply.line(), b"{\"done\":true,\"text\":\"reloading\"}\n");
        assert_eq!(serde_json::from_slice::<Reply>(&reply.line()).unwrap(), reply);
    }
}
