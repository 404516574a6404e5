//! The brain: cameras and hubs in, what should run out. Pure.
