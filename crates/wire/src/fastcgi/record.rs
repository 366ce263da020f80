//! Records: their types and headers.

/// Bytes of a record's header.
pub(super) const HEADER: usize = 8;
/// The flag of BEGIN_REQUEST by which the front server keeps the connection.
pub(super) const KEEP_CONN: u8 = 1;
const VERSION: u8 = 1;

/// The role in which this server works.
pub const RESPONDER: u16 = 1;
/// Bytes of content to put in one record: the most that need no padding.
pub const CONTENT_MAX: usize = 65_528;

/// A record's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A request begins.
    BeginRequest = 1,
    /// The front server wants a request no longer.
    AbortRequest = 2,
    /// An answer is complete, or refused.
    EndRequest = 3,
    /// Meta-variables; a stream.
    Params = 4,
    /// The request's body; a stream.
    Stdin = 5,
    /// The answer; a stream.
    Stdout = 6,
    /// Text for the front server's error log; a stream.
    Stderr = 7,
    /// What a filter filters; a stream.
    Data = 8,
    /// A question for capacities.
    GetValues = 9,
    /// The answer to it.
    GetValuesResult = 10,
    /// The answer to a type that is not known.
    UnknownType = 11,
}

impl Kind {
    /// The type with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::BeginRequest,
            2 => Self::AbortRequest,
            3 => Self::EndRequest,
            4 => Self::Params,
            5 => Self::Stdin,
            6 => Self::Stdout,
            7 => Self::Stderr,
            8 => Self::Data,
            9 => Self::GetValues,
            10 => Self::GetValuesResult,
            11 => Self::UnknownType,
            _ => return None,
        })
    }
}

/// How the protocol's side of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProtocolStatus {
    /// It was answered.
    RequestComplete = 0,
    /// It came within another one.
    CantMpxConn = 1,
    /// There is no room for it.
    Overloaded = 2,
    /// It asked for another role than a responder's.
    UnknownRole = 3,
}

/// A record's header, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) id: u16,
    pub(super) content: u16,
    pub(super) padding: u8,
}

impl Header {
    /// `Err` has the version when it is not the one that is known.
    pub(super) fn read(bytes: [u8; HEADER]) -> Result<Self, u8> {
        let [version, kind, id1, id0, length1, length0, padding, _] = bytes;
        if version != VERSION {
            return Err(version);
        }
        let (id, content) = (u16::from_be_bytes([id1, id0]), u16::from_be_bytes([length1, length0]));
        Ok(Self { kind, id, content, padding })
    }
}

/// What goes before and after `content` bytes of one record's content: header, and padding to a multiple of eight.
#[must_use]
pub fn frame(kind: Kind, id: u16, content: u16) -> ([u8; HEADER], &'static [u8]) {
    let padding = &[0; 7][..usize::from(content).wrapping_neg() % 8];
    let ([id1, id0], [length1, length0]) = (id.to_be_bytes(), content.to_be_bytes());
    ([VERSION, kind as u8, id1, id0, length1, length0, padding.len() as u8, 0], padding)
}
