//! Which of the hubs that run on this machine is meant.

use std::collections::BTreeSet;
use std::path::PathBuf;

use streamhub_crds::DEFAULT_NAMESPACE;
use streamhub_wire::subjects::Token;

use super::ClientError;
use crate::args::ConnectArgs;
use crate::place::running;
use crate::up::runtime::CameraProcess;

/// What a running `up` knows of the place.
#[derive(Default)]
pub struct Found {
    /// The NATS server.
    pub url: Option<String>,
    /// What every subject of the hub begins with.
    pub prefix: Option<String>,
    /// Folder of the hub's NATS credentials.
    pub secrets: Option<PathBuf>,
}

/// Looks for the camera, else for the hub. A URL on the command line means another place.
pub fn find(args: &ConnectArgs, camera: Option<&Token>) -> Result<Found, ClientError> {
    if args.url.is_some() {
        return Ok(Found::default());
    }
    let runtimes = running(&args.place);
    let known: Vec<&CameraProcess> = runtimes
        .iter()
        .flat_map(|runtime| &runtime.cameras)
        .collect();
    let wanted = Wanted {
        namespace: args.place.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE),
        hub: args.hub.as_deref(),
        prefix: args.prefix.as_deref(),
        camera: camera.map(Token::as_str),
    };
    Ok(match wanted.choose(&known)? {
        Some(process) => Found {
            url: Some(process.url.clone()),
            prefix: Some(process.prefix.clone()),
            secrets: process.credentials.clone(),
        },
        None => Found {
            url: runtimes
                .iter()
                .find_map(|runtime| runtime.nats.as_ref())
                .map(|nats| nats.url.clone()),
            ..Found::default()
        },
    })
}

struct Wanted<'a> {
    namespace: &'a str,
    hub: Option<&'a str>,
    prefix: Option<&'a str>,
    camera: Option<&'a str>,
}

impl Wanted<'_> {
    /// Any process of the hub; `None` where nothing runs, or nothing with the prefix that was given.
    fn choose<'k>(
        &self,
        known: &[&'k CameraProcess],
    ) -> Result<Option<&'k CameraProcess>, ClientError> {
        let fitting: Vec<&CameraProcess> = known
            .iter()
            .copied()
            .filter(|process| self.fits(process))
            .collect();
        let camera = fitting
            .iter()
            .find(|process| Some(process.name.as_str()) == self.camera);
        let Some(first) = camera.or_else(|| fitting.first()) else {
            if known.is_empty() || self.prefix.is_some() {
                return Ok(None);
            }
            let (namespace, hub) = (self.namespace, self.hub.unwrap_or("*"));
            return Err(ClientError::NotFound(format!(
                "no hub {namespace}/{hub} runs here, only {}; for one in a cluster give --context, else --url",
                list(known)
            )));
        };
        let place = |process: &CameraProcess| (process.prefix.clone(), process.url.clone());
        let one = fitting.iter().all(|process| place(process) == place(first));
        if camera.is_none() && !one {
            return Err(ClientError::Ambiguous(list(&fitting)));
        }
        Ok(Some(first))
    }

    fn fits(&self, process: &CameraProcess) -> bool {
        match self.prefix {
            Some(prefix) => process.prefix == prefix,
            None => {
                process.namespace == self.namespace && self.hub.is_none_or(|hub| process.hub == hub)
            }
        }
    }
}

fn list(processes: &[&CameraProcess]) -> String {
    let hubs: BTreeSet<String> = processes
        .iter()
        .map(|process| {
            let CameraProcess {
                namespace,
                hub,
                prefix,
                url,
                ..
            } = process;
            format!("{namespace}/{hub} ({prefix} at {url})")
        })
        .collect();
    Vec::from_iter(hubs).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(namespace: &str, hub: &str, name: &str, prefix: &str) -> CameraProcess {
        CameraProcess {
            namespace: namespace.into(),
            hub: hub.into(),
            name: name.into(),
            prefix: prefix.into(),
            url: "nats://127.0.0.1:4222".into(),
            ..CameraProcess::default()
        }
    }

    const ANY: Wanted = Wanted {
        namespace: "default",
        hub: None,
        prefix: None,
        camera: None,
    };

    /// The prefix that is chosen, or the error.
    fn chosen(wanted: &Wanted, known: &[CameraProcess]) -> Result<Option<String>, String> {
        let known: Vec<&CameraProcess> = known.iter().collect();
        match wanted.choose(&known) {
            Ok(process) => Ok(process.map(|process| process.prefix.clone())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_only_hub_needs_no_name() {
        let known = ["door", "yard"].map(|name| process("default", "lobby", name, "site.one"));
        let found = Ok(Some("site.one".into()));
        assert_eq!(chosen(&ANY, &known), found);
        let hub = Some("lobby");
        assert_eq!(chosen(&Wanted { hub, ..ANY }, &known), found);
        assert_eq!(chosen(&ANY, &[]), Ok(None));
    }

    #[test]
    fn of_several_hubs_a_name_or_a_camera_chooses() {
        let known = [
            process("default", "lobby", "door", "site.one"),
            process("default", "roof", "sky", "site.two"),
        ];
        let error = chosen(&ANY, &known).unwrap_err();
        assert!(
            error.contains("default/lobby (site.one at") && error.contains("default/roof"),
            "{error}"
        );
        let camera = Some("sky");
        let hub = Some("roof");
        let found = Ok(Some("site.two".into()));
        assert_eq!(chosen(&Wanted { camera, ..ANY }, &known), found);
        assert_eq!(chosen(&Wanted { hub, ..ANY }, &known), found);
    }

    #[test]
    fn a_hub_that_does_not_run_is_an_error_that_lists_those_that_do() {
        let known = [process("site", "lobby", "door", "site.one")];
        let error = chosen(&ANY, &known).unwrap_err();
        assert!(
            error.contains("no hub default/*") && error.contains("site/lobby"),
            "{error}"
        );
        let namespace = "site";
        let wanted = Wanted { namespace, ..ANY };
        assert_eq!(chosen(&wanted, &known), Ok(Some("site.one".into())));
    }

    #[test]
    fn a_prefix_chooses_by_itself_and_may_be_unknown() {
        let known = [
            process("default", "lobby", "door", "site.one"),
            process("site", "roof", "sky", "site.two"),
        ];
        let with = |prefix| Wanted {
            prefix: Some(prefix),
            ..ANY
        };
        assert_eq!(
            chosen(&with("site.two"), &known),
            Ok(Some("site.two".into()))
        );
        assert_eq!(chosen(&with("site.three"), &known), Ok(None));
    }
}
