//! Emperor mode.

use super::values::Values;
use crate::settings::EmperorSettings;

pub fn build(values: &mut Values<'_>) -> EmperorSettings {
    EmperorSettings {
        sources: values.texts("emperor"),
        vassal_set: values.texts("vassals-set"),
        vassals_include: values.paths("vassals-include"),
        vassals_inherit: values.paths("vassals-inherit"),
    }
}
