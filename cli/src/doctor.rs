//! stub
use crate::{args::DoctorArgs, client::ClientError, exit::Exit};
/// stub
pub async fn run(_args: DoctorArgs) -> Result<Exit, ClientError> {
    Ok(Exit::Ok)
}
