//! Meta-variables with a number of their own, so that nobody compares their names twice.
//!
//! The Python side keeps one interned key per [`Known`]; decoders find a name's number by a hash
//! over its length and three of its bytes, checked by one comparison.

use crate::same::{is_same, is_same_token};

macro_rules! known {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $field:literal;)*) => {
        /// A common meta-variable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Known { $(#[doc = concat!("`", $name, "`")] $variant,)* }

        impl Known {
            /// All of them; index = `self as usize`.
            pub const ALL: &'static [Known] = &[$(Known::$variant,)*];
            const NAMES: &'static [&'static str] = &[$($name,)*];
            /// The HTTP field each is made from, in lower case; empty for those that no field makes.
            const FIELDS: &'static [&'static str] = &[$($field,)*];
        }
    };
}

known! {
    RequestMethod = "REQUEST_METHOD", "";
    RequestUri = "REQUEST_URI", "";
    PathInfo = "PATH_INFO", "";
    QueryString = "QUERY_STRING", "";
    ServerProtocol = "SERVER_PROTOCOL", "";
    ScriptName = "SCRIPT_NAME", "";
    ServerName = "SERVER_NAME", "";
    ServerPort = "SERVER_PORT", "";
    RemoteAddr = "REMOTE_ADDR", "";
    RemotePort = "REMOTE_PORT", "";
    ContentType = "CONTENT_TYPE", "content-type";
    ContentLength = "CONTENT_LENGTH", "content-length";
    Https = "HTTPS", "";
    RequestScheme = "REQUEST_SCHEME", "";
    UwsgiRouter = "UWSGI_ROUTER", "";
    RemoteUser = "REMOTE_USER", "";
    DocumentRoot = "DOCUMENT_ROOT", "";
    UwsgiScheme = "UWSGI_SCHEME", "";
    UwsgiAppid = "UWSGI_APPID", "";
    UwsgiFile = "UWSGI_FILE", "";
    UwsgiModule = "UWSGI_MODULE", "";
    UwsgiCallable = "UWSGI_CALLABLE", "";
    UwsgiChdir = "UWSGI_CHDIR", "";
    UwsgiTouchReload = "UWSGI_TOUCH_RELOAD", "";
    UwsgiScript = "UWSGI_SCRIPT", "";
    UwsgiPyhome = "UWSGI_PYHOME", "";
    UwsgiHome = "UWSGI_HOME", "";
    UwsgiSetenv = "UWSGI_SETENV", "";
    UwsgiPostfile = "UWSGI_POSTFILE", "";
    ServerAddr = "SERVER_ADDR", "";
    DocumentUri = "DOCUMENT_URI", "";
    AuthType = "AUTH_TYPE", "";
    GatewayInterface = "GATEWAY_INTERFACE", "";
    PathTranslated = "PATH_TRANSLATED", "";
    HttpHost = "HTTP_HOST", "host";
    HttpUserAgent = "HTTP_USER_AGENT", "user-agent";
    HttpAccept = "HTTP_ACCEPT", "accept";
    HttpAcceptEncoding = "HTTP_ACCEPT_ENCODING", "accept-encoding";
    HttpAcceptLanguage = "HTTP_ACCEPT_LANGUAGE", "accept-language";
    HttpAcceptCharset = "HTTP_ACCEPT_CHARSET", "accept-charset";
    HttpAuthorization = "HTTP_AUTHORIZATION", "authorization";
    HttpCacheControl = "HTTP_CACHE_CONTROL", "cache-control";
    HttpConnection = "HTTP_CONNECTION", "connection";
    HttpContentEncoding = "HTTP_CONTENT_ENCODING", "content-encoding";
    HttpCookie = "HTTP_COOKIE", "cookie";
    HttpDnt = "HTTP_DNT", "dnt";
    HttpExpect = "HTTP_EXPECT", "expect";
    HttpForwarded = "HTTP_FORWARDED", "forwarded";
    HttpFrom = "HTTP_FROM", "from";
    HttpIfMatch = "HTTP_IF_MATCH", "if-match";
    HttpIfModifiedSince = "HTTP_IF_MODIFIED_SINCE", "if-modified-since";
    HttpIfNoneMatch = "HTTP_IF_NONE_MATCH", "if-none-match";
    HttpIfRange = "HTTP_IF_RANGE", "if-range";
    HttpIfUnmodifiedSince = "HTTP_IF_UNMODIFIED_SINCE", "if-unmodified-since";
    HttpKeepAlive = "HTTP_KEEP_ALIVE", "keep-alive";
    HttpMaxForwards = "HTTP_MAX_FORWARDS", "max-forwards";
    HttpOrigin = "HTTP_ORIGIN", "origin";
    HttpPragma = "HTTP_PRAGMA", "pragma";
    HttpPriority = "HTTP_PRIORITY", "priority";
    HttpProxy = "HTTP_PROXY", "proxy";
    HttpProxyConnection = "HTTP_PROXY_CONNECTION", "proxy-connection";
    HttpRange = "HTTP_RANGE", "range";
    HttpReferer = "HTTP_REFERER", "referer";
    HttpSecChUa = "HTTP_SEC_CH_UA", "sec-ch-ua";
    HttpSecChUaMobile = "HTTP_SEC_CH_UA_MOBILE", "sec-ch-ua-mobile";
    HttpSecChUaPlatform = "HTTP_SEC_CH_UA_PLATFORM", "sec-ch-ua-platform";
    HttpSecFetchDest = "HTTP_SEC_FETCH_DEST", "sec-fetch-dest";
    HttpSecFetchMode = "HTTP_SEC_FETCH_MODE", "sec-fetch-mode";
    HttpSecFetchSite = "HTTP_SEC_FETCH_SITE", "sec-fetch-site";
    HttpSecFetchUser = "HTTP_SEC_FETCH_USER", "sec-fetch-user";
    HttpSecWebsocketExtensions = "HTTP_SEC_WEBSOCKET_EXTENSIONS", "sec-websocket-extensions";
    HttpSecWebsocketKey = "HTTP_SEC_WEBSOCKET_KEY", "sec-websocket-key";
    HttpSecWebsocketProtocol = "HTTP_SEC_WEBSOCKET_PROTOCOL", "sec-websocket-protocol";
    HttpSecWebsocketVersion = "HTTP_SEC_WEBSOCKET_VERSION", "sec-websocket-version";
    HttpTe = "HTTP_TE", "te";
    HttpTraceparent = "HTTP_TRACEPARENT", "traceparent";
    HttpTracestate = "HTTP_TRACESTATE", "tracestate";
    HttpTransferEncoding = "HTTP_TRANSFER_ENCODING", "transfer-encoding";
    HttpUpgrade = "HTTP_UPGRADE", "upgrade";
    HttpUpgradeInsecureRequests = "HTTP_UPGRADE_INSECURE_REQUESTS", "upgrade-insecure-requests";
    HttpVia = "HTTP_VIA", "via";
    HttpXCsrfToken = "HTTP_X_CSRFTOKEN", "x-csrftoken";
    HttpXForwardedFor = "HTTP_X_FORWARDED_FOR", "x-forwarded-for";
    HttpXForwardedHost = "HTTP_X_FORWARDED_HOST", "x-forwarded-host";
    HttpXForwardedPort = "HTTP_X_FORWARDED_PORT", "x-forwarded-port";
    HttpXForwardedProto = "HTTP_X_FORWARDED_PROTO", "x-forwarded-proto";
    HttpXForwardedSsl = "HTTP_X_FORWARDED_SSL", "x-forwarded-ssl";
    HttpXRealIp = "HTTP_X_REAL_IP", "x-real-ip";
    HttpXRequestId = "HTTP_X_REQUEST_ID", "x-request-id";
    HttpXRequestedWith = "HTTP_X_REQUESTED_WITH", "x-requested-with";
}

impl Known {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The meta-variable's name, such as `HTTP_HOST`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The meta-variable called `name`; names are compared exactly.
    #[must_use]
    #[inline(always)]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let slot = NAME_TABLE[hash(name)?];
        let known = *Self::ALL.get(usize::from(slot))?;
        is_same(known.name().as_bytes(), name).then_some(known)
    }

    /// The meta-variable that the field `name` makes. `name` must be a token (RFC 9110); case does not count.
    #[must_use]
    pub(crate) fn from_field(name: &[u8]) -> Option<Self> {
        let slot = FIELD_TABLE[hash(name)?];
        let known = *Self::ALL.get(usize::from(slot))?;
        is_same_token(Self::FIELDS[usize::from(slot)].as_bytes(), name).then_some(known)
    }
}

const SLOTS: usize = 512;
const EMPTY: u8 = u8::MAX;
static NAME_TABLE: [u8; SLOTS] = table(Known::NAMES);
static FIELD_TABLE: [u8; SLOTS] = table(Known::FIELDS);

/// A slot for `name`, the same in either case of letters; `None` for the empty name.
///
/// The factors were searched for so that no two names share a slot; `table` does not compile otherwise.
const fn hash(name: &[u8]) -> Option<usize> {
    let len = name.len();
    if len == 0 {
        return None;
    }
    let first = (name[0] | 0x20) as usize;
    let middle = (name[len / 2] | 0x20) as usize;
    let fourth_last = (name[len.saturating_sub(4)] | 0x20) as usize;
    let last = (name[len - 1] | 0x20) as usize;
    Some((len.wrapping_mul(349) + first * 330 + middle * 255 + fourth_last * 84 + last * 160) % SLOTS)
}

const fn table(names: &[&str]) -> [u8; SLOTS] {
    assert!(names.len() < EMPTY as usize);
    let mut table = [EMPTY; SLOTS];
    let mut index = 0;
    while index < names.len() {
        if let Some(slot) = hash(names[index].as_bytes()) {
            assert!(table[slot] == EMPTY, "two names share a slot: search new factors for `hash`");
            table[slot] = index as u8;
        }
        index += 1;
    }
    table
}
