//! Capture devices of a real driver, in the virtual machine that is the node `vm1` of `e2e/cluster/run`: the whole way from
//! a driver's buffer to a frame on NATS. `tests/node_agent` has what needs no picture.

mod burnt_time;
mod loopback;
mod real;
mod reboots;
mod vivid;
