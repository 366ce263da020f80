//! What can be wrong with bytes from a peer, and the status each fault is answered with.

/// A request that cannot be served, and where in the decoded input that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (byte {position})")]
pub struct WireError {
    /// What is wrong.
    pub fault: Fault,
    /// Offset in the input given to the decoder.
    pub position: usize,
}

impl WireError {
    pub(crate) fn new(fault: Fault, position: usize) -> Self {
        Self { fault, position }
    }
    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.fault.status()
    }
    /// Offset in the input given to the decoder.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

/// Everything a decoder refuses. The peer is at fault in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not a token, or no space after it.
    #[error("the method is not a token")]
    Method,
    /// Longer than any method in use.
    #[error("the method is longer than any this server knows")]
    MethodTooLong,
    /// A tunnel was asked for.
    #[error("CONNECT is for proxies, and this server is none")]
    Connect,
    /// Neither `/path`, nor `http://host/path`, nor `*` with OPTIONS.
    #[error("the request target has no form that this server serves")]
    Target,
    /// Longer than [`crate::Limits::target`].
    #[error("the request target is too long")]
    TargetTooLong,
    /// Not `HTTP/` digit `.` digit, or the line does not end there.
    #[error("the request line does not end in an HTTP version")]
    VersionSyntax,
    /// Neither 1.0 nor 1.1.
    #[error("this HTTP version is not served on this connection")]
    VersionUnsupported,
    /// A line ends in LF alone, or CR stands alone.
    #[error("a line does not end in CR LF")]
    LineEnd,
    /// A field name is empty, has a character it must not have, or is followed by a space.
    #[error("a field name is not a token followed by a colon")]
    FieldName,
    /// A field value has a control character.
    #[error("a field value has a control character")]
    FieldValue,
    /// A field continues on the next line (RFC 9112, 5.2).
    #[error("a field is folded over two lines")]
    FieldFolded,
    /// More than [`crate::Limits::fields`].
    #[error("the request has too many fields")]
    TooManyFields,
    /// Longer than [`crate::Limits::field`].
    #[error("a field of the request is too large")]
    FieldTooLarge,
    /// More than [`crate::Limits::variables`].
    #[error("the request has too many variables")]
    TooManyVariables,
    /// Larger than [`crate::Limits::head`].
    #[error("the request head is too large")]
    HeadTooLarge,
    /// HTTP/1.1 without Host.
    #[error("an HTTP/1.1 request has no Host")]
    HostMissing,
    /// More than one Host.
    #[error("the request has more than one Host")]
    HostTwice,
    /// Not `name`, `name:port`, an IPv4 address or an IPv6 address in brackets.
    #[error("Host is not a host name with an optional port")]
    Host,
    /// Not digits alone.
    #[error("Content-Length is not a number")]
    ContentLength,
    /// Given more than once.
    #[error("Content-Length is given twice")]
    ContentLengthTwice,
    /// Transfer-Encoding and Content-Length in one request.
    #[error("the request has both Transfer-Encoding and Content-Length")]
    TwoLengths,
    /// Transfer-Encoding that does not end in `chunked`, is repeated, or came with HTTP/1.0.
    #[error("Transfer-Encoding is not chunked")]
    TransferEncoding,
    /// A transfer coding before `chunked`.
    #[error("Transfer-Encoding names a coding that this server does not decode")]
    TransferCoding,
    /// An expectation other than `100-continue`.
    #[error("the only expectation this server meets is 100-continue")]
    Expectation,
    /// Larger than [`crate::Limits::body`].
    #[error("the request body is larger than the limit")]
    BodyTooLarge,
    /// The size is not hexadecimal, too large, or its line or the chunk does not end in CR LF.
    #[error("a chunk of the body is malformed")]
    Chunk,
    /// Longer than [`crate::Limits::chunk_line`].
    #[error("a chunk's size line is too long")]
    ChunkLineTooLong,
    /// Not fields, or no line end.
    #[error("the trailers are malformed")]
    Trailer,
    /// Larger than [`crate::Limits::trailers`].
    #[error("the trailers are too large")]
    TrailersTooLarge,
    /// Lengths inside a packet pass its datasize.
    #[error("a uwsgi packet's variables do not fit its size")]
    PacketTruncated,
    /// A variable of a front server without a name.
    #[error("the front server sent a variable without a name")]
    VariableName,
    /// A uwsgi packet without variables.
    #[error("a uwsgi packet has no variables")]
    PacketEmpty,
    /// A modifier that asks for something this server is not.
    #[error("uwsgi modifier {0} ({1}) is not served here")]
    Modifier(u8, &'static str),
    /// The length of an SCGI head is not digits and a colon, or no comma ends the head.
    #[error("an SCGI request is not a netstring followed by a body")]
    Netstring,
    /// The strings of an SCGI head do not end in NUL, or are not in pairs.
    #[error("an SCGI head is not made of pairs of strings that end in NUL")]
    ScgiStrings,
    /// `CONTENT_LENGTH` is not the first variable of an SCGI head.
    #[error("an SCGI head does not begin with CONTENT_LENGTH")]
    ScgiLengthFirst,
    /// `SCGI` is missing or not `1`.
    #[error("an SCGI head does not say SCGI = 1")]
    ScgiVersion,
    /// A FastCGI record of another version.
    #[error("a FastCGI record is of version {0}, and only 1 is known")]
    RecordVersion(u8),
    /// A FastCGI record that is out of place: of that type, at that point or with that request id.
    #[error("a FastCGI record of type {0} is out of place")]
    RecordOutOfPlace(u8),
    /// A BEGIN_REQUEST or END_REQUEST whose content is not eight bytes.
    #[error("a FastCGI BEGIN_REQUEST or END_REQUEST is not eight bytes long")]
    RecordLength,
    /// More bytes in records that serve no request than [`crate::Limits::head`].
    #[error("too many FastCGI records belong to no request")]
    RecordsIgnored,
    /// Lengths of names and values pass the end of the stream that they are in.
    #[error("the FastCGI parameters end within a name or a value")]
    ParamsTruncated,
    /// No variables before the empty PARAMS record.
    #[error("a FastCGI request has no parameters")]
    ParamsEmpty,
    /// The body ended before `CONTENT_LENGTH`.
    #[error("the FastCGI body ended before its CONTENT_LENGTH")]
    BodyShort,
    /// A PROXY header that does not follow the standard.
    #[error("the PROXY header that the connection begins with is malformed")]
    ProxyHeader,
    /// A PROXY header of a version, command or kind of address that does not fit a stream of requests.
    #[error("the PROXY header is of a version or kind that is not served here")]
    ProxyUnsupported,
}

impl Fault {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Method
            | Self::Target
            | Self::VersionSyntax
            | Self::LineEnd
            | Self::FieldName
            | Self::FieldValue
            | Self::FieldFolded
            | Self::HostMissing
            | Self::HostTwice
            | Self::Host
            | Self::ContentLength
            | Self::ContentLengthTwice
            | Self::TwoLengths
            | Self::TransferEncoding
            | Self::Chunk
            | Self::ChunkLineTooLong
            | Self::Trailer
            | Self::PacketTruncated
            | Self::VariableName
            | Self::PacketEmpty
            | Self::Netstring
            | Self::ScgiStrings
            | Self::ScgiLengthFirst
            | Self::ScgiVersion
            | Self::RecordVersion(_)
            | Self::RecordOutOfPlace(_)
            | Self::RecordLength
            | Self::RecordsIgnored
            | Self::ParamsTruncated
            | Self::ParamsEmpty
            | Self::BodyShort
            | Self::ProxyHeader
            | Self::ProxyUnsupported => 400,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::TooManyFields
            | Self::FieldTooLarge
            | Self::TooManyVariables
            | Self::HeadTooLarge
            | Self::TrailersTooLarge => 431,
            Self::MethodTooLong | Self::Connect | Self::TransferCoding | Self::Modifier(..) => 501,
            Self::VersionUnsupported => 505,
        }
    }
}
