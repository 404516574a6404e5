//! The cameras of an `up` on this machine.

use futures::future::join_all;
use streamhub_wire::status::CameraStatus;

use super::row::{Row, Rows};
use crate::args::TopArgs;
use crate::client::ClientError;
use crate::place::running;
use crate::up::http;
use crate::up::runtime::CameraProcess;

/// Asks each process.
pub async fn rows(args: &TopArgs) -> Result<Rows, ClientError> {
    let running = running(&args.place);
    if running.is_empty() {
        return Err(ClientError::NotFound(
            "no `streamhub up` runs here; for a cluster give --context, or set KUBECONFIG"
                .to_owned(),
        ));
    }
    let wanted = |camera: &&CameraProcess| {
        let namespace = args.place.namespace.as_ref();
        namespace.is_none_or(|namespace| *namespace == camera.namespace)
            && args.hub.as_ref().is_none_or(|hub| *hub == camera.hub)
    };
    let cameras = running.iter().flat_map(|up| &up.cameras).filter(wanted);
    let mut cameras = join_all(cameras.map(row)).await;
    cameras.sort_by(|one, other| {
        (&one.namespace, &one.camera).cmp(&(&other.namespace, &other.camera))
    });
    Ok(Rows {
        cameras,
        namespaces: args.place.namespace.is_none(),
        note: None,
    })
}

async fn row(camera: &CameraProcess) -> Row {
    let silent = if camera.pid.is_some() {
        "NotAnswering"
    } else {
        "Restarting"
    };
    let mut row = Row {
        namespace: camera.namespace.clone(),
        camera: camera.name.clone(),
        hub: camera.hub.clone(),
        state: silent.to_owned(),
        ..Row::default()
    };
    match said(camera).await {
        Ok(said) => row.hear(&said),
        Err(why) => row.message = why,
    }
    row
}

/// What a camera's process says of itself.
pub async fn said(camera: &CameraProcess) -> Result<CameraStatus, String> {
    let (Some(port), Some(_)) = (camera.http, camera.pid) else {
        return Err("its process does not run at this moment".to_owned());
    };
    let (_, body) = http::get(port, "/status")
        .await
        .map_err(|error| error.to_string())?;
    CameraStatus::parse(&body).map_err(|error| error.to_string())
}
