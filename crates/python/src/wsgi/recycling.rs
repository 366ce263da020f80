//! `reload-on-exception` and its relatives: exceptions of the application after which its worker is replaced.

use margrave_config::settings::ExceptionRules;
use pyo3::prelude::*;

/// The rules, and the way to ask for a successor.
pub struct Recycling {
    rules: ExceptionRules,
    ask: Box<dyn Fn() + Send + Sync>,
}

impl Recycling {
    /// `ask` is called when an exception is one of those that `rules` name.
    pub fn new(rules: ExceptionRules, ask: impl Fn() + Send + Sync + 'static) -> Self {
        Self { rules, ask: Box::new(ask) }
    }

    /// Asks for a successor if `error` is such an exception.
    pub fn consider(&self, py: Python<'_>, error: &PyErr) {
        let rules = &self.rules;
        let is_narrow = !(rules.types.is_empty() && rules.values.is_empty() && rules.reprs.is_empty());
        if rules.any || is_narrow && self.is_named(py, error) {
            (self.ask)();
        }
    }

    fn is_named(&self, py: Python<'_>, error: &PyErr) -> bool {
        let class = error.get_type(py).name().map_or_else(|_| String::new(), |name| name.to_string());
        let text = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
        let is_repr = |wanted: &String| {
            let named = wanted.split_once(':').map(|(name, rest)| (name, rest.trim_start()));
            named == Some((class.as_str(), text.as_str()))
        };
        self.rules.types.contains(&class)
            || self.rules.values.contains(&text)
            || self.rules.reprs.iter().any(is_repr)
    }
}
