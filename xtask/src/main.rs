//! All automation of the repository: `cargo xtask <verb>`.
fn main() {}
