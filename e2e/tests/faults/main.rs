//! What goes wrong in a cluster: each test does one kind of harm, looks at what the Camera's status says of it, and at how
//! it heals.
//!
//! Those that kill parts of the cluster run only where `e2e/cluster/run` made it.

mod answers;
mod control_plane;
mod deletions;
mod evictions;
mod nodes;
mod processes;
mod refusals;
mod secrets;
mod support;
