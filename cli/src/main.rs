//! `streamhub`: Stream Hub on one machine and from the shell.
fn main() {}
