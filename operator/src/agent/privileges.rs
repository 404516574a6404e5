//! What this process may do. Its container is privileged, as nothing less lets a process open devices that were plugged in
//! after it began; that comes with every capability, and none is needed.

use rustix::io::Result;
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// Gives up all capabilities, for this thread and those that it begins, for good.
pub fn drop_all() -> Result<()> {
    // Those that the kernel has and this does not know stay in the set, and are of no use without the others.
    for capability in CapabilitySet::all().iter() {
        // A process that may not shrink the set was started without capabilities.
        let _ = remove_capability_from_bounding_set(capability);
    }
    set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    set_capabilities(None, sets)
}

#[cfg(test)]
mod tests {
    use rustix::thread::capabilities;

    use super::*;

    #[test]
    fn nothing_is_left() {
        let thread = std::thread::spawn(|| {
            drop_all().unwrap();
            let left = capabilities(None).unwrap();
            assert!(left.permitted.is_empty() && left.effective.is_empty());
        });
        thread.join().unwrap();
    }
}
