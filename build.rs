fn main() {
    // The directory is built in; cargo must notice new files, too.
    println!("cargo:rerun-if-changed=schema");
    println!("cargo:rerun-if-changed=migrations");
}
