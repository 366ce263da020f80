//! `dynamic-apps`: applications that a front server names in its requests, loaded when they are first asked for.
//!
//! As uWSGI: an application is known by UWSGI_APPID, or SCRIPT_NAME without one; UWSGI_FILE, UWSGI_MODULE or
//! UWSGI_SCRIPT (with UWSGI_CALLABLE, UWSGI_CHDIR, UWSGI_SETENV) say what to load when none of that name is. One that
//! does not load leaves the request to the default application. Differing from uWSGI: all share one interpreter, so
//! UWSGI_PYHOME changes nothing, and the working directory is put back when the application has been loaded.

use super::apps::App;
use super::report;
use margrave_wire::{Known, Request};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most of them in one worker: uWSGI's `max-apps`.
const MOST: usize = 64;

/// What says which application to load, and how.
const SOURCES: [Known; 3] = [Known::UwsgiFile, Known::UwsgiModule, Known::UwsgiScript];
const CIRCUMSTANCES: [Known; 5] =
    [Known::UwsgiCallable, Known::UwsgiChdir, Known::UwsgiSetenv, Known::UwsgiPyhome, Known::UwsgiHome];

/// The applications of a worker that requests have named.
#[derive(Debug, Default)]
pub struct DynamicApps {
    apps: Mutex<Vec<Arc<App>>>,
}

impl DynamicApps {
    /// The application that `request` names, and its number among these. `None` when it names none, or one that does
    /// not load.
    pub fn find(&self, py: Python<'_>, request: &Request) -> Option<(usize, Arc<App>)> {
        let name = name_of(request);
        if let Some(found) = self.named(name) {
            return Some(found);
        }
        SOURCES
            .iter()
            .any(|known| request.var(*known).is_some_and(|value| !value.is_empty()))
            .then_some(())?;
        if self.lock().len() >= MOST {
            report::line(&format!(
                "margrave: {MOST} applications have been loaded for requests; no more are"
            ));
            return None;
        }
        let callable = match load(py, request, name) {
            Ok(Some(callable)) => callable,
            Ok(None) => return None,
            Err(error) => {
                report::exception(py, error);
                return None;
            }
        };
        Some(self.enter(Arc::new(App { mount: name.to_vec(), callable, tally: None })))
    }

    fn named(&self, name: &[u8]) -> Option<(usize, Arc<App>)> {
        let apps = self.lock();
        let place = apps.iter().position(|app| app.mount == name)?;
        Some((place, Arc::clone(&apps[place])))
    }

    /// Another thread may have loaded it meanwhile: then that one is the application.
    fn enter(&self, app: Arc<App>) -> (usize, Arc<App>) {
        let mut apps = self.lock();
        let place = apps.iter().position(|other| other.mount == app.mount).unwrap_or(apps.len());
        if place == apps.len() {
            apps.push(Arc::clone(&app));
        }
        (place, Arc::clone(&apps[place]))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<App>>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that an application is known by.
pub fn name_of(request: &Request) -> &[u8] {
    let named = |known| request.var(known).filter(|name| !name.is_empty());
    named(Known::UwsgiAppid).or_else(|| named(Known::ScriptName)).unwrap_or_default()
}

/// `None` when it does not load, which is in the log then.
fn load(py: Python<'_>, request: &Request, name: &[u8]) -> PyResult<Option<Py<PyAny>>> {
    let wanted = PyDict::new(py);
    for known in SOURCES.into_iter().chain(CIRCUMSTANCES) {
        if let Some(value) = request.var(known).filter(|value| !value.is_empty()) {
            wanted.set_item(known.name(), String::from_utf8_lossy(value))?;
        }
    }
    let name = String::from_utf8_lossy(name);
    let found = py.import("margrave.loader")?.call_method1("load_named", (wanted, name))?;
    Ok(if found.is_none() { None } else { Some(found.unbind()) })
}
