//! Options: sockets.

use super::{Kind, OptionRow, flag, value};

const NO_FASTCGI: &str =
    "Margrave does not speak FastCGI yet: use `socket` with uwsgi_pass, or `http-socket` with proxy_pass";
const NO_SCGI: &str =
    "Margrave does not speak SCGI yet: use `socket` with uwsgi_pass, or `http-socket` with proxy_pass";
const NO_TLS: &str =
    "Margrave does not speak TLS yet: end TLS in the proxy in front, and use `http-socket` or `socket` here";
const ONE_MODIFIER: &str = "Margrave serves Python only, whatever the modifier says";

#[rustfmt::skip] // One row a line: a table.
pub(super) const ROWS: &[OptionRow] = &[
    value(&["socket"], Kind::Address, "Listens for the uwsgi protocol, or for the one that `protocol` names.").list().short('s').works(),
    value(&["uwsgi-socket"], Kind::Address, "Listens for the uwsgi protocol.").list().works(),
    value(&["http-socket"], Kind::Address, "Listens for HTTP in the workers.").list().works(),
    value(&["http11-socket"], Kind::Address, "Listens for HTTP in the workers; the same as `http-socket`, which keeps connections too.").list().works(),
    value(&["http", "httprouter"], Kind::Address, "Listens for HTTP; served by the workers themselves, without a router process.").list().works(),
    value(&["protocol", "socket-protocol"], Kind::Text, "What sockets named by `socket` speak: uwsgi or http.").works(),
    value(&["listen"], Kind::Integer, "Connections that may wait to be accepted, per socket.").short('l').works(),
    value(&["chmod-socket", "chmod"], Kind::Mode, "Permission bits of UNIX sockets; 666 when no value is given.").optional().short('C').works(),
    value(&["chown-socket"], Kind::Text, "Owner of UNIX sockets as user or user:group.").works(),
    flag(&["reuse-port"], "Sets SO_REUSEPORT on TCP sockets.").works(),
    flag(&["abstract-socket"], "Makes every UNIX socket one of the abstract namespace.").short('a').works(),
    value(&["socket-timeout"], Kind::Seconds, "Longest silence of a client while it sends a request or takes the answer.").short('z').works(),
    flag(&["close-on-exec", "close-on-exec2"], "Keeps sockets out of programs that the application starts; on by default.").works(),
    flag(&["tcp-nodelay"], "Sends small segments at once.").accepted("answers are always sent with TCP_NODELAY"),
    flag(&["no-defer-accept"], "Accepts connections before they send anything.").accepted("connections are always accepted at once; idle ones cost next to nothing"),
    flag(&["so-keepalive"], "Enables TCP keep-alive probes."),
    value(&["socket-send-timeout", "socket-write-timeout", "so-send-timeout", "so-write-timeout"], Kind::Seconds, "Sets SO_SNDTIMEO on sockets.").bare().accepted("writing never blocks here; `socket-timeout` bounds it"),
    value(&["socket-sndbuf"], Kind::Bytes, "Sets SO_SNDBUF on sockets."),
    value(&["socket-rcvbuf"], Kind::Bytes, "Sets SO_RCVBUF on sockets."),
    flag(&["freebind"], "Binds to addresses that the host does not have yet."),
    value(&["tcp-fast-open", "tcp-fastopen"], Kind::Integer, "Sets TCP_FASTOPEN on listening sockets."),
    flag(&["tcp-fast-open-client", "tcp-fastopen-client"], "Uses TCP_FASTOPEN for outgoing connections."),
    value(&["map-socket"], Kind::Text, "Gives a socket to some of the workers only.").list(),
    value(&["shared-socket"], Kind::Address, "Binds a socket that others refer to by `=N`.").list().refused("shared sockets are not built yet: give `http-socket` or `socket` the address itself"),
    value(&["undeferred-shared-socket"], Kind::Address, "Binds a shared socket without deferred accept.").list().refused("shared sockets are not built yet: give `http-socket` or `socket` the address itself"),
    flag(&["no-fd-passing"], "Refuses descriptors that come over UNIX sockets.").accepted("descriptors are never taken from clients"),
    value(&["safe-fd", "fd-safe"], Kind::Integer, "Keeps an inherited descriptor open.").list(),
    value(&["allowed-modifiers"], Kind::Text, "Accepts only these modifiers on uwsgi sockets.").accepted(ONE_MODIFIER),
    value(&["remap-modifier"], Kind::Text, "Replaces one modifier by another.").accepted(ONE_MODIFIER),
    value(&["http-socket-modifier1"], Kind::Integer, "Sets modifier1 of requests on `http-socket`.").accepted(ONE_MODIFIER),
    value(&["http-socket-modifier2"], Kind::Integer, "Sets modifier2 of requests on `http-socket`.").accepted(ONE_MODIFIER),
    value(&["fastcgi-socket"], Kind::Address, "Listens for FastCGI.").list().refused(NO_FASTCGI),
    value(&["fastcgi-nph-socket"], Kind::Address, "Listens for FastCGI in NPH mode.").list().refused(NO_FASTCGI),
    value(&["fastcgi-modifier1"], Kind::Integer, "Sets modifier1 of FastCGI requests.").accepted(ONE_MODIFIER),
    value(&["fastcgi-modifier2"], Kind::Integer, "Sets modifier2 of FastCGI requests.").accepted(ONE_MODIFIER),
    value(&["scgi-socket"], Kind::Address, "Listens for SCGI.").list().refused(NO_SCGI),
    value(&["scgi-nph-socket"], Kind::Address, "Listens for SCGI in NPH mode.").list().refused(NO_SCGI),
    value(&["scgi-modifier1"], Kind::Integer, "Sets modifier1 of SCGI requests.").accepted(ONE_MODIFIER),
    value(&["scgi-modifier2"], Kind::Integer, "Sets modifier2 of SCGI requests.").accepted(ONE_MODIFIER),
    value(&["raw-socket"], Kind::Address, "Hands bare connections to the application.").list().refused("raw sockets are not built: let the application listen itself"),
    value(&["raw-modifier1"], Kind::Integer, "Sets modifier1 of raw connections.").accepted(ONE_MODIFIER),
    value(&["raw-modifier2"], Kind::Integer, "Sets modifier2 of raw connections.").accepted(ONE_MODIFIER),
    value(&["puwsgi-socket"], Kind::Address, "Listens for the persistent uwsgi protocol.").list().refused("the persistent uwsgi protocol is not built: use `socket`, or `http-socket`, which keeps connections"),
    value(&["suwsgi-socket", "ssl-socket"], Kind::Address, "Listens for the uwsgi protocol over TLS.").list().refused(NO_TLS),
    value(&["https-socket"], Kind::Address, "Listens for HTTPS in the workers.").list().refused(NO_TLS),
    value(&["https-socket-modifier1"], Kind::Integer, "Sets modifier1 of requests on `https-socket`.").accepted(ONE_MODIFIER),
    value(&["https-socket-modifier2"], Kind::Integer, "Sets modifier2 of requests on `https-socket`.").accepted(ONE_MODIFIER),
    value(&["https"], Kind::Text, "Listens for HTTPS with a certificate and key.").list().refused(NO_TLS),
    value(&["https2"], Kind::Text, "Listens for HTTPS with named parameters.").list().refused(NO_TLS),
    flag(&["https-export-cert"], "Passes the client certificate to the application."),
    value(&["https-session-context"], Kind::Text, "Names the TLS session context."),
    flag(&["ssl-verbose"], "Logs TLS errors."),
    value(&["ssl-verify-depth"], Kind::Integer, "Longest chain of client certificates.").optional(),
    value(&["ssl-sessions-use-cache", "ssl-session-use-cache"], Kind::Text, "Keeps TLS sessions in a cache.").optional(),
    value(&["ssl-sessions-timeout", "ssl-session-timeout"], Kind::Seconds, "Lifetime of TLS sessions."),
    value(&["sni"], Kind::Text, "Adds a certificate for a server name.").list(),
    value(&["sni-dir"], Kind::Path, "Looks for certificates by server name in a directory."),
    value(&["sni-dir-ciphers"], Kind::Text, "Ciphers for certificates of `sni-dir`."),
    value(&["sni-regexp"], Kind::Text, "Adds a certificate for server names that match.").list(),
    flag(&["ssl-enable3", "ssl-enable-sslv3"], "Allows SSL 3.").refused("SSL 3 is broken and never spoken here: remove the option"),
    flag(&["ssl-enable-tlsv1"], "Allows TLS 1.0.").refused("TLS 1.0 is broken and never spoken here: remove the option"),
    value(&["ssl-option"], Kind::Text, "Sets an OpenSSL option bit.").list(),
    value(&["ssl-tmp-dir"], Kind::Path, "Directory for temporary TLS files."),
];
