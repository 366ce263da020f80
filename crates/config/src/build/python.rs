//! Interpreter and applications.

use super::values::Values;
use crate::diagnostic::Repair;
use crate::loader::Setting;
use crate::settings::{AppSettings, AppTarget, PythonSettings};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Characters that make a path a pattern.
const PATTERN: [char; 3] = ['*', '?', '['];

pub fn build(values: &mut Values<'_>) -> PythonSettings {
    let default = PythonSettings::default();
    PythonSettings {
        interpreter: interpreter(values),
        home: values.path("home"),
        path: search_path(values),
        apps: apps(values),
        no_default_app: values.flag("no-default-app").unwrap_or(default.no_default_app),
        manage_script_name: values.flag("manage-script-name").unwrap_or(default.manage_script_name),
        argv: values.text("pyargv").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        need_app: values.flag("need-app").unwrap_or(default.need_app),
        imports: values.texts("import"),
        shared_imports: values.texts("shared-import"),
        autoreload: autoreload(values),
        catch_exceptions: values.flag("catch-exceptions").unwrap_or(default.catch_exceptions),
        warmup: values.text("warmup").map(str::to_owned),
        preload_urls: values.flag("preload-urls").unwrap_or(default.preload_urls),
        executable: values.path("py-executable"),
        file_wrapper: !values.flag("wsgi-disable-file-wrapper").unwrap_or(!default.file_wrapper),
        aliases: aliases(values, "pymodule-alias"),
        post_aliases: aliases(values, "post-pymodule-alias"),
        no_site: values.flag("no-site").unwrap_or(default.no_site),
        skip_atexit: values.flag("skip-atexit").unwrap_or(default.skip_atexit),
        skip_teardown: values.flag("skip-atexit-teardown").unwrap_or(default.skip_teardown),
        ignore_script_name: values.flag("ignore-script-name").unwrap_or(default.ignore_script_name),
        autoreload_ignore: values.texts("py-auto-reload-ignore"),
        switch_interval: switch_interval(values).unwrap_or(default.switch_interval),
        optimize: values.bounded("optimize", 0, 2).map_or(default.optimize, |level| level as u8),
    }
}

/// `name=module`, or `name=path/of/module.py`.
fn aliases(values: &mut Values<'_>, option: &'static str) -> Vec<(String, String)> {
    let settings = values.all(&[option]);
    let pairs = settings.into_iter().filter_map(|setting| values.pair(setting, "name=module"));
    pairs.map(|(name, module)| (name.to_owned(), module.to_owned())).collect()
}

fn interpreter(values: &mut Values<'_>) -> Option<PathBuf> {
    let old = values.path("py-programname");
    let setting = values.last("python");
    match setting {
        Some(setting) if setting.text().ends_with(".py") => {
            let message = "in Margrave this names the interpreter, and running a script in the server is not built yet; \
                           name the application with `wsgi-file` or `module`";
            values.error(setting, message);
            old
        }
        _ => values.path("python").or(old),
    }
}

fn search_path(values: &mut Values<'_>) -> Vec<PathBuf> {
    let chdir = values.settings.iter().rfind(|setting| setting.row.name() == "chdir").map(Setting::text);
    let mut path = Vec::new();
    for pattern in values.texts("pythonpath") {
        if !pattern.contains(PATTERN) {
            path.push(PathBuf::from(pattern));
            continue;
        }
        let mut found = values.world.glob(&pattern);
        if let Some(chdir) = chdir.filter(|_| found.is_empty() && !pattern.starts_with('/')) {
            found = values.world.glob(&format!("{}/{pattern}", chdir.trim_end_matches('/')));
        }
        if found.is_empty() {
            found.push(pattern);
        }
        path.extend(found.into_iter().map(PathBuf::from));
    }
    path
}

fn apps(values: &mut Values<'_>) -> Vec<AppSettings> {
    let callable = values.text("callable").map(str::to_owned);
    let app = |mountpoint: &str, target: AppTarget, setting: &Setting| AppSettings {
        mountpoint: mountpoint.to_owned(),
        target,
        callable: callable.clone(),
        origin: setting.origin.to_string(),
    };
    let mut apps = Vec::new();
    let module = values.last("module").filter(|setting| !setting.text().is_empty());
    let file = values.last("wsgi-file").filter(|setting| !setting.text().is_empty());
    if let Some(setting) = module {
        warn_of_file(values, setting);
        apps.push(app("", AppTarget::Module(setting.text().to_owned()), setting));
    }
    if let Some(setting) = file {
        match module {
            Some(module) => {
                let message = format!(
                    "`{}` at {} names the application already, so this has no effect; remove one of them",
                    module.name, module.origin
                );
                values.warn_mended(setting, message, Some(Repair::CommentOut));
            }
            None => apps.push(app("", AppTarget::File(PathBuf::from(setting.text())), setting)),
        }
    }
    for setting in values.all(&["mount"]) {
        let Some((mountpoint, target)) = values.pair(setting, "/path=module:callable or /path=file.py")
        else {
            continue;
        };
        let mountpoint = mountpoint.trim_end_matches('/');
        if !mountpoint.is_empty() && !mountpoint.starts_with('/') {
            values.warn(setting, never_mounted(mountpoint));
        } else if target.is_empty() {
            values.error(
                setting,
                "the application is missing; write it as /path=module:callable or /path=file.py",
            );
        } else if apps.iter().any(|known: &AppSettings| known.mountpoint == mountpoint) {
            let message = format!(
                "an application is mounted at `{mountpoint}/` already, so this has no effect, as in uWSGI; remove one of them"
            );
            values.warn_mended(setting, message, Some(Repair::CommentOut));
        } else {
            apps.push(app(mountpoint, target_of(values, target), setting));
        }
    }
    apps
}

/// What is wrong with a mountpoint that is no path; uWSGI starts all the same.
fn never_mounted(mountpoint: &str) -> String {
    match mountpoint.split_once('|') {
        Some((host, path)) => format!(
            "mounting at a host is not built yet, so this has no effect; to serve {path} whatever the host write `mount = /{}=...`, without `{host}|`",
            path.trim_start_matches('/')
        ),
        None => format!(
            "`{mountpoint}` is no path, so no request gets there and this has no effect; write `mount = /{mountpoint}=...` if that is meant"
        ),
    }
}

/// A path when it looks like one, else a module; `site.wsgi` may be either, so the file system decides.
fn target_of(values: &Values<'_>, text: &str) -> AppTarget {
    let is_file = text.contains('/')
        || text.ends_with(".py")
        || text.ends_with(".wsgi") && values.world.target(Path::new(text)).is_ok();
    if is_file { AppTarget::File(PathBuf::from(text)) } else { AppTarget::Module(text.to_owned()) }
}

/// A file named where a module belongs.
fn warn_of_file(values: &mut Values<'_>, setting: &Setting) {
    let (name, _) = setting.text().split_once(':').unwrap_or((setting.text(), ""));
    if name.ends_with(".py") || name.contains('/') {
        let message = format!(
            "`{name}` looks like a file; write `wsgi-file = {name}`, or the module as package.module"
        );
        values.warn(setting, message);
    }
}

/// `py-autoreload`; people write true, which uWSGI reads as 0.
fn autoreload(values: &mut Values<'_>) -> Option<Duration> {
    let setting = values.last("py-autoreload")?;
    match setting.text().to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" => {
            let repair = Repair::Replace { old: setting.text().to_owned(), new: "1".to_owned() };
            let message =
                "a number of seconds is wanted here and uWSGI would read 0; it is taken as 1, write 1";
            values.warn_mended(setting, message, Some(repair));
            Some(Duration::from_secs(1))
        }
        "false" | "off" | "no" => None,
        _ => values.seconds("py-autoreload"),
    }
}

fn switch_interval(values: &mut Values<'_>) -> Option<Duration> {
    let duration = values.duration("switch-interval")?;
    if duration.is_zero() {
        let setting = values.last("switch-interval")?;
        values.error(setting, "Python needs an interval above 0; write for example 500us");
        return None;
    }
    Some(duration)
}
