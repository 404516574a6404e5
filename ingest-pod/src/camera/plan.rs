//! From a source as it is written to an attempt that can run.

use std::path::PathBuf;
use streamhub_crds::{Camera, Source};
use streamhub_devices::Watch;
use streamhub_wire::tick::TickGrid;

use crate::fault::Fault;
use crate::picture::Size;
use crate::secrets::Secrets;
use crate::source::file::FileSpec;
use crate::source::http::client::HttpSpec;
use crate::source::remote::RemoteSpec;
use crate::source::remote::cache::CacheSettings;
use crate::source::rtsp::RtspSpec;
use crate::source::v4l2::{Devices, V4l2Spec};
use crate::source::{self, Attempt, End};

/// What the process has beside the document.
pub struct Planner {
    /// Mounted Secrets.
    pub secrets: Secrets,
    /// What relative file paths start from.
    pub media_root: PathBuf,
    /// Where files of servers are kept.
    pub media_cache: CacheSettings,
    /// Where capture devices are found.
    pub devices: Devices,
}

impl Planner {
    /// Tells when capture devices come or go.
    pub fn watch(&self) -> Watch {
        Watch::new(self.devices.folder())
    }

    /// What `source`, the camera's own or a fallback, asks for, with the secrets as they are now.
    pub fn plan(&self, source: &Source, camera: &Camera) -> Result<Plan, Fault> {
        let name = camera.metadata.name.as_deref().unwrap_or_default();
        match source {
            Source::Http(http) => self.secrets.http(http).map(Plan::Http),
            Source::Rtsp(rtsp) => self.secrets.rtsp(rtsp).map(Plan::Rtsp),
            Source::V4l2(v4l2) => {
                let path = self.devices.path(&v4l2.device_selector)?;
                let spec = V4l2Spec {
                    path,
                    promise: self.devices.promise(),
                    mode: v4l2.mode.clone(),
                    controls: v4l2.controls.clone(),
                };
                Ok(Plan::V4l2 {
                    shown: spec.shown(),
                    spec,
                })
            }
            Source::File(file) => {
                if let Some(remote) = file.uri.remote() {
                    let namespace = camera.metadata.namespace.as_deref();
                    let namespace = namespace.unwrap_or(streamhub_crds::DEFAULT_NAMESPACE);
                    let cache = &self.media_cache;
                    let spec = self.secrets.remote(namespace, file, remote, cache);
                    return spec.map(|spec| Plan::Remote(Box::new(spec)));
                }
                let path = file.uri.path(&self.media_root);
                let path = std::path::absolute(&path).unwrap_or(path);
                Ok(Plan::File(FileSpec {
                    shown: format!("file://{}", path.display()),
                    path,
                    fps: file.fps,
                    on_end: file.on_end,
                }))
            }
            Source::Test(test) => match TickGrid::new(test.fps.num(), test.fps.den()) {
                Ok(grid) => Ok(Plan::Test {
                    shown: format!("test://{name}"),
                    size: Size::new(test.width.get(), test.height.get()),
                    grid,
                    label: name.to_owned(),
                }),
                Err(error) => Err(Fault::permanent(
                    "InvalidRate",
                    format!("spec.source.test.fps: {error}"),
                    "give a rate above 0 and at most 240",
                )),
            },
        }
    }
}

/// One attempt, ready to run.
pub enum Plan {
    /// An IP camera.
    Rtsp(RtspSpec),
    /// A capture device.
    V4l2 {
        /// Its address for people.
        shown: String,
        /// What to capture.
        spec: V4l2Spec,
    },
    /// A stream over HTTP.
    Http(HttpSpec),
    /// A film.
    File(FileSpec),
    /// A film on a server.
    Remote(Box<RemoteSpec>),
    /// A test picture.
    Test {
        /// Its address for people.
        shown: String,
        /// Size of the picture.
        size: Size,
        /// When it is drawn.
        grid: TickGrid,
        /// What is written into it.
        label: String,
    },
}

impl Plan {
    /// The source's address as metadata and status may show it.
    pub fn shown(&self) -> &str {
        match self {
            Self::Rtsp(spec) => &spec.shown,
            Self::Http(spec) => &spec.shown,
            Self::File(spec) => &spec.shown,
            Self::Remote(spec) => &spec.shown,
            Self::V4l2 { shown, .. } | Self::Test { shown, .. } => shown,
        }
    }

    /// Runs it to its end.
    pub fn run(&self, attempt: &Attempt) -> End {
        match self {
            Self::Rtsp(spec) => source::rtsp::run(spec, attempt),
            Self::V4l2 { spec, .. } => source::v4l2::run(spec, attempt),
            Self::Http(spec) => source::http::run(spec, attempt),
            Self::File(spec) => source::file::run(spec, attempt),
            Self::Remote(spec) => source::remote::run(spec, attempt),
            Self::Test {
                size, grid, label, ..
            } => source::test::run(*size, *grid, label, attempt),
        }
    }
}
