//! What is refused by `/neutron/...`, against the classes that Neutron itself raises then.

use std::time::Duration;

use crate::support::python::Python;

/// In step with what can be sent by a unit test.
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/neutron-classes.txt");

pub async fn neu_err_1_neu_err_2_classes_are_those_of_neutron() {
    let told = Python::OpenStack.run("neutron_classes.py", &[TABLE], Duration::from_mins(2)).await;
    assert!(told.ends_with(" classes\n"), "{told}");
}
