//! Interpreter and applications.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How one application is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppTarget {
    /// `module = pkg.mod`, `pkg.mod:name` or `pkg.mod:factory()`, as written.
    Module(String),
    /// `wsgi-file = path.py`, as written.
    File(PathBuf),
}

/// One application and where it is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSettings {
    /// Mount point such as `/api`; empty for the default application.
    pub mountpoint: String,
    /// Where its code is.
    pub target: AppTarget,
    /// `callable`: name of the object; `None` = `application` (then `app` and others are looked at). May end in `()`.
    pub callable: Option<String>,
    /// `file:line` of the option, for messages.
    pub origin: String,
}

/// Interpreter and applications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PythonSettings {
    /// `python`: interpreter to exec; `None` = from `home`, `$VIRTUAL_ENV`, beside the executable, PATH.
    pub interpreter: Option<PathBuf>,
    /// `home`/`virtualenv`/`venv`.
    pub home: Option<PathBuf>,
    /// `pythonpath`, in order; glob patterns are already expanded.
    pub path: Vec<PathBuf>,
    /// Applications in order; the default one has an empty mount point.
    pub apps: Vec<AppSettings>,
    /// `manage-script-name`.
    pub manage_script_name: bool,
    /// `no-default-app`.
    pub no_default_app: bool,
    /// `pyargv`: words of `sys.argv[1..]`.
    pub argv: Vec<String>,
    /// `need-app`.
    pub need_app: bool,
    /// `import`, `pyimport`, `python-import`: modules imported in each worker.
    pub imports: Vec<String>,
    /// `shared-import` and relatives: modules imported before the fork.
    pub shared_imports: Vec<String>,
    /// `py-autoreload`: seconds between scans.
    pub autoreload: Option<Duration>,
    /// `wsgi-env-behaviour`, `catch-exceptions`: show the traceback in the answer.
    pub catch_exceptions: bool,
    /// `warmup`: path requested in the zygote before the first fork.
    pub warmup: Option<String>,
    /// `preload-urls`: import the URL configuration of a Django site in the zygote.
    pub preload_urls: bool,
    /// `py-executable`: what `sys.executable` says.
    pub executable: Option<PathBuf>,
    /// `wsgi-disable-file-wrapper` is not set.
    pub file_wrapper: bool,
    /// `pymodule-alias`: another name, and the module or file it stands for, made before applications are loaded.
    pub aliases: Vec<(String, String)>,
    /// `post-pymodule-alias`: the same, made after.
    pub post_aliases: Vec<(String, String)>,
    /// `no-site`: the interpreter does not import `site`.
    pub no_site: bool,
    /// `skip-atexit`: workers run no atexit functions.
    pub skip_atexit: bool,
    /// `skip-atexit-teardown`: workers end after their atexit functions, with the interpreter as it is.
    pub skip_teardown: bool,
    /// `ignore-script-name`: SCRIPT_NAME chooses no application.
    pub ignore_script_name: bool,
    /// `py-auto-reload-ignore`: modules that `py-autoreload` does not look at.
    pub autoreload_ignore: Vec<String>,
    /// `switch-interval`: the interpreter's thread switch interval.
    pub switch_interval: Duration,
    /// `optimize` / `py-optimize`.
    pub optimize: u8,
}

impl Default for PythonSettings {
    fn default() -> Self {
        Self {
            interpreter: None,
            home: None,
            path: Vec::new(),
            apps: Vec::new(),
            manage_script_name: false,
            no_default_app: false,
            argv: Vec::new(),
            need_app: true,
            imports: Vec::new(),
            shared_imports: Vec::new(),
            autoreload: None,
            catch_exceptions: false,
            warmup: None,
            preload_urls: true,
            executable: None,
            file_wrapper: true,
            aliases: Vec::new(),
            post_aliases: Vec::new(),
            no_site: false,
            skip_atexit: false,
            skip_teardown: false,
            ignore_script_name: false,
            autoreload_ignore: Vec::new(),
            switch_interval: Duration::from_micros(500),
            optimize: 0,
        }
    }
}
