//! Emperor mode. Read so that the executable can say that it is not built yet.

use super::values::Values;
use crate::settings::EmperorSettings;

pub fn build(values: &mut Values<'_>) -> EmperorSettings {
    EmperorSettings {
        sources: values.texts("emperor"),
        vassal_set: values.texts("vassals-set"),
        vassals_include: values.paths("vassals-include"),
        vassals_inherit: values.paths("vassals-inherit"),
        tyrant: values.flag("emperor-tyrant").unwrap_or(false),
    }
}
