//! An `up` on this machine.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::bundle::Bundle;
use super::checks::advice::Advice;
use super::checks::of_process;
use super::finding::Finding;
use super::scope::Scope;
use crate::args::DoctorArgs;
use crate::place::running;
use crate::top::local::said;
use crate::up::runtime::CameraProcess;

const PATIENCE: Duration = Duration::from_secs(2);

/// Looks at the cameras and the NATS servers of every `up`.
pub async fn look(scope: &Scope, args: &DoctorArgs, bundle: &mut Bundle) -> (String, Vec<Finding>) {
    let running = running(&args.place);
    if running.is_empty() {
        let finding = Finding::problem("this machine", "NotRunning", "no `streamhub up` runs here")
            .because("or it has another --state-dir, or is another user's")
            .fix("streamhub up -f FOLDER; for a cluster: kubectl streamhub doctor, or --context");
        return ("this machine".to_owned(), vec![finding]);
    }
    let namespace = args.place.namespace.as_ref();
    let wanted = |camera: &&CameraProcess| {
        namespace.is_none_or(|namespace| *namespace == camera.namespace)
            && match scope {
                Scope::All => true,
                Scope::Installation => false,
                Scope::Camera(name) => camera.name == *name,
                Scope::Hub(name) => camera.hub == *name,
            }
    };
    let all = running.iter().flat_map(|up| &up.cameras);
    let cameras: Vec<&CameraProcess> = all.filter(wanted).collect();
    let mut findings = Vec::new();
    if let (Some(name), []) = (scope.camera(), cameras.as_slice()) {
        findings.push(
            Finding::problem(format!("camera {name}"), "NotFound", "no process of this name runs here")
                .because("no document names it, or it is not valid, in conflict, or switched off: `up` says which")
                .fix("streamhub top --local; streamhub validate -f FOLDER"),
        );
    }
    for camera in &cameras {
        let about = format!("camera {}/{}", camera.namespace, camera.name);
        let path = format!("statuses/{}/{}", camera.namespace, camera.name);
        match said(camera).await {
            Ok(said) => {
                bundle.add_document(&format!("{path}.json"), &said);
                findings.extend(of_process(&about, &said, |_| Advice::default()));
            }
            Err(why) => {
                bundle.add(&format!("{path}.txt"), &why);
                findings.push(
                    Finding::problem(about, "NotAnswering", why)
                        .because("it ended and is started again, or hangs; `up` logs which"),
                );
            }
        }
    }
    for up in &running {
        bundle.add_document(&format!("up-{}.json", up.pid), up);
        let url = up.nats.as_ref().map(|nats| nats.url.as_str());
        let Some(url) = url else { continue };
        if let Err(why) = greets(url).await {
            findings.push(
                Finding::problem(format!("NATS {url}"), "NatsUnreachable", why)
                    .because("`up` runs it and starts it again when it ends; its log says more"),
            );
        }
    }
    let place = format!(
        "this machine: {} `up`, {} cameras",
        running.len(),
        cameras.len()
    );
    (place, findings)
}

async fn greets(url: &str) -> Result<(), String> {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let mut begin = [0; 5];
        stream.read_exact(&mut begin).await?;
        Ok::<_, std::io::Error>(begin)
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(begin)) if begin == *b"INFO " => Ok(()),
        Ok(Ok(_)) => Err("what answers there is no NATS server".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
