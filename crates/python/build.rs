//! Lets the code ask for properties of the interpreter it is built for (`Py_GIL_DISABLED`).

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
