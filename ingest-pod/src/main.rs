//! `streamhub-ingest`: one camera in, timestamped JPEG frames on NATS out.
fn main() {}
