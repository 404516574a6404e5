//! What crosses NATS, as types, state machines and two thin clients.
//!
//! Pure (no I/O, time is passed in): [`subjects`], [`metadata`], [`status`], [`ids`], [`tick`], [`fencing`], [`feedback`],
//! [`interest`], [`join`].
//! On the network: [`connect`], [`publish`] with [`next`] for the ingest side, [`subscribe`] for consumers.
//! [`server`] is the text of the server's configuration and of the permissions, shared by documentation, `streamhub up` and tests;
//! [`generate`] makes the reference files from all this.

pub mod connect;
pub mod feedback;
pub mod fencing;
pub mod generate;
pub mod ids;
pub mod interest;
pub mod join;
pub mod metadata;
pub mod next;
pub mod publish;
pub mod server;
pub mod status;
pub mod subjects;
pub mod subscribe;
pub mod tick;

/// Microseconds since the UNIX epoch on this machine's clock; 0 when the clock stands before 1970.
pub fn hub_time_us() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_micros() as i64)
}

/// Reads a JSON object. Serde alone would also take an array for a struct, field by field.
fn parse_object<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json)?;
    serde_json::from_value(object.into())
}
