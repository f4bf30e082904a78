//! spx
fn main() {}
