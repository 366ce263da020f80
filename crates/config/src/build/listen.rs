//! Sockets.

use super::values::Values;
use crate::diagnostic::{Origin, Repair};
use crate::loader::Setting;
use crate::settings::{Address, ListenSettings, ListenerSettings, Protocol, Settings};
use crate::values;
use std::path::Path;

/// Where HTTP is served when an application is named and no socket.
const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8000;

/// Options that name a socket to listen on.
const SOCKETS: &[&str] = &[
    "socket",
    "uwsgi-socket",
    "http-socket",
    "http11-socket",
    "http",
    "fastcgi-socket",
    "fastcgi-nph-socket",
    "scgi-socket",
    "scgi-nph-socket",
];

/// Permission bits of `chmod-socket` without a value.
const OPEN_TO_ALL: u32 = 0o666;

pub fn build(values: &mut Values<'_>) -> ListenSettings {
    let default_protocol = protocol(values);
    let is_abstract = values.flag("abstract-socket").unwrap_or(false);
    let mut listeners: Vec<ListenerSettings> = Vec::new();
    let shared = shared(values);
    for setting in values.all(SOCKETS) {
        let parsed = match setting.text().trim().strip_prefix('=') {
            Some(number) => of_shared(number, &shared),
            None => values::address(setting.text()),
        };
        let Some(address) = values.keep(setting, parsed) else { continue };
        let address = match address {
            Address::Unix(path) if is_abstract => Address::Abstract(path.to_string_lossy().into_owned()),
            address => address,
        };
        warn_of_numeric_path(values, setting, &address);
        let protocol = match setting.row.name() {
            "socket" => default_protocol,
            "uwsgi-socket" => Protocol::Uwsgi,
            "fastcgi-socket" => Protocol::Fastcgi,
            "fastcgi-nph-socket" => Protocol::FastcgiNph,
            "scgi-socket" => Protocol::Scgi,
            "scgi-nph-socket" => Protocol::ScgiNph,
            _ => Protocol::Http,
        };
        let is_free_port = matches!(address, Address::Tcp { port: 0, .. });
        if let Some(earlier) = listeners.iter().find(|earlier| earlier.address == address && !is_free_port) {
            // The same twice is one too many; uWSGI serves on with the first.
            let is_same = earlier.protocol == protocol && earlier.option == setting.name;
            let message = format!(
                "{} is taken already by `{}` at {}; remove one of them",
                setting.text(),
                earlier.option,
                earlier.origin
            );
            if is_same {
                values.warn_mended(setting, message, Some(Repair::CommentOut));
            } else {
                values.error(setting, message);
            }
            continue;
        }
        let (option, origin) = (setting.name.clone(), setting.origin.to_string());
        listeners.push(ListenerSettings { protocol, address, option, origin });
    }
    let maps = maps(values, listeners.len());
    ListenSettings {
        listeners,
        backlog: values.positive("listen").map(|backlog| u32::try_from(backlog).unwrap_or(u32::MAX)),
        chmod: chmod(values),
        chown: values.text("chown-socket").map(str::to_owned),
        reuse_port: values.flag("reuse-port").unwrap_or(false),
        keepalive: values.flag("so-keepalive").unwrap_or(false),
        freebind: values.flag("freebind").unwrap_or(false),
        fast_open: values.positive("tcp-fast-open").map(|length| u32::try_from(length).unwrap_or(u32::MAX)),
        send_buffer: bytes(values, "socket-sndbuf"),
        receive_buffer: bytes(values, "socket-rcvbuf"),
        maps,
    }
}

/// `shared-socket`, in order: the addresses that `=N` stands for.
fn shared(values: &mut Values<'_>) -> Vec<Address> {
    let mut list = Vec::new();
    for setting in values.all(&["shared-socket", "undeferred-shared-socket"]) {
        let parsed = values::address(setting.text());
        list.extend(values.keep(setting, parsed));
    }
    list
}

fn of_shared(number: &str, shared: &[Address]) -> Result<(Address, Option<String>), String> {
    let found = number.trim().parse::<usize>().ok().and_then(|number| shared.get(number));
    found.map(|address| (address.clone(), None)).ok_or_else(|| match shared.len() {
        0 => format!("`={number}` stands for a `shared-socket`, and there is none; write the address itself"),
        count => format!("there is no shared socket {number}; write a number from 0 to {}", count - 1),
    })
}

fn bytes(values: &mut Values<'_>, option: &'static str) -> Option<usize> {
    values.positive(option).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// `map-socket = N:1,2`.
fn maps(values: &mut Values<'_>, listeners: usize) -> Vec<(u16, Vec<u16>)> {
    let mut list = Vec::new();
    for setting in values.all(&["map-socket"]) {
        let parsed = setting.text().split_once(':').and_then(|(number, workers)| {
            let workers: Option<Vec<u16>> = workers
                .split(',')
                .map(|worker| worker.trim().parse().ok().filter(|worker| *worker > 0))
                .collect();
            Some((number.trim().parse::<u16>().ok()?, workers?))
        });
        match parsed {
            Some((number, _)) if usize::from(number) >= listeners.max(1) => {
                values.error(
                    setting,
                    format!(
                        "there is no socket {number}; sockets count from 0 in the order of the configuration"
                    ),
                );
            }
            Some(map) => list.push(map),
            None => {
                let message =
                    format!("`{}` is no map; write SOCKET:WORKER,WORKER such as 0:1,2", setting.text());
                values.error(setting, message);
            }
        }
    }
    list
}

/// HTTP on a local port, when nothing says where to serve.
pub fn add_default(settings: &mut Settings) {
    let is_served = !settings.listen.listeners.is_empty() || !settings.emperor.sources.is_empty();
    if is_served {
        return;
    }
    settings.listen.listeners.push(ListenerSettings {
        protocol: Protocol::Http,
        address: Address::Tcp { host: DEFAULT_HOST.to_owned(), port: DEFAULT_PORT },
        option: "http".to_owned(),
        origin: String::new(),
    });
}

fn protocol(values: &mut Values<'_>) -> Protocol {
    let Some(setting) = values.last("protocol") else { return Protocol::Uwsgi };
    let named = |text: &str| Protocol::ALL.into_iter().find(|protocol| protocol.name() == text);
    match setting.text() {
        "http11" => Protocol::Http,
        text => named(text).unwrap_or_else(|| {
            let names = Protocol::ALL.map(Protocol::name).join(", ");
            values.error(setting, format!("Margrave does not speak `{text}`; write one of {names}"));
            Protocol::Uwsgi
        }),
    }
}

fn chmod(values: &mut Values<'_>) -> Option<u32> {
    let setting = values.last("chmod-socket")?;
    if matches!(setting.text(), "" | "1" | "true") {
        return Some(OPEN_TO_ALL);
    }
    let (digits, _) = values::without_comment(setting.text());
    let digits =
        digits.strip_prefix("0o").or_else(|| digits.strip_prefix('0').filter(|rest| rest.len() == 3));
    if digits.unwrap_or_else(|| values::without_comment(setting.text()).0).len() != 3 {
        let message =
            format!("`{}` is no mode; write exactly three octal digits such as 660", setting.text());
        values.error(setting, message);
        return None;
    }
    values.mode("chmod-socket")
}

fn warn_of_numeric_path(values: &mut Values<'_>, setting: &Setting, address: &Address) {
    let Address::Unix(path) = address else { return };
    let text = path.to_string_lossy();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        values.warn(
            setting,
            format!("`{text}` is a UNIX socket in the working directory; write `:{text}` for a port"),
        );
    } else if setting.origin == Origin::CommandLine
        && Path::new(&*text).extension().is_none()
        && !text.contains('/')
    {
        values.warn(
            setting,
            format!("`{text}` is a UNIX socket in the working directory; write host:port for TCP"),
        );
    }
}
