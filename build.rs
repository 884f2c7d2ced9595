//! Makes cargo notice new files of what is built in.

#[allow(clippy::print_stdout)] // Cargo listens there.
fn main() {
    println!("cargo:rerun-if-changed=schema");
    println!("cargo:rerun-if-changed=migrations");
}
