//! gst-rtsp-server, set up from plain settings.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_rtsp::{RTSPAuthMethod, RTSPLowerTrans};
use gstreamer_rtsp_server::prelude::*;
use gstreamer_rtsp_server::{
    RTSP_PERM_MEDIA_FACTORY_ACCESS, RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
    RTSP_TOKEN_MEDIA_FACTORY_ROLE, RTSPAuth, RTSPMedia, RTSPMediaFactory, RTSPServer, RTSPToken,
};

use super::feed;
use super::film::Film;
use super::mount::{Mount, TestPicture, What};

const ROLE: &str = "viewer";

/// How a password is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Basic: the password crosses the network.
    Basic,
    /// Digest (MD5).
    Digest,
}

/// Who may watch.
#[derive(Clone)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
    /// How it is asked for.
    pub scheme: Scheme,
}

/// What carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP and UDP, as the client likes.
    Both,
    /// Interleaved in the RTSP connection only.
    Tcp,
    /// UDP only.
    Udp,
}

/// All that a camera can be told.
#[derive(Clone)]
pub struct Settings {
    /// The TCP port on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// What is served; at least one.
    pub mounts: Vec<Mount>,
    /// Who may watch; everybody when absent.
    pub login: Option<Login>,
    /// Certificate and key (PEM files); with them the server speaks rtsps only.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// What carries the packets.
    pub transport: Transport,
}

/// Serves on a thread of its own, for as long as the process lives; returns the port.
pub fn serve(settings: &Settings) -> Result<u16> {
    gst::init()?;
    let server = RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&settings.port.to_string());
    if settings.login.is_some() || settings.tls.is_some() {
        server.set_auth(Some(&auth(settings)?));
    }
    let mounts = server.mount_points().context("a server has mount points")?;
    for mount in &settings.mounts {
        let factory = factory(&mount.what)?;
        factory.set_shared(true);
        factory.set_protocols(protocols(settings.transport));
        let permissions = gst::Structure::builder(ROLE)
            .field(RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
            .field(RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
            .build();
        factory.add_role_from_structure(&permissions);
        mounts.add_factory(&mount.path, factory);
    }
    server.connect_client_connected(|_, client| {
        println!("client connected");
        client.connect_closed(|_| println!("client gone"));
    });
    let context = glib::MainContext::new();
    server.attach(Some(&context)).with_context(|| {
        format!(
            "can't listen on 127.0.0.1:{} (is the port taken?)",
            settings.port
        )
    })?;
    let port = u16::try_from(server.bound_port()).context("the server has no port")?;
    std::thread::spawn(move || {
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let _ = context.with_thread_default(|| main_loop.run());
        drop(server);
    });
    Ok(port)
}

fn factory(what: &What) -> Result<RTSPMediaFactory> {
    let factory = RTSPMediaFactory::new();
    match what {
        What::Test(picture) => factory.set_launch(&test_pipeline(picture)),
        What::Film(path) => {
            let film = Arc::new(Film::load(path)?);
            factory.set_launch(&format!(
                "( appsrc name=film is-live=true format=time block=true max-bytes=8388608 ! {} ! {} )",
                film.codec.parser(),
                film.codec.payloader()
            ));
            factory.connect_media_configure(move |_, media| play(media, &film));
        }
    }
    Ok(factory)
}

fn play(media: &RTSPMedia, film: &Arc<Film>) {
    let bin = media.element().downcast::<gst::Bin>().ok();
    let source = bin
        .and_then(|bin| bin.by_name("film"))
        .and_downcast::<AppSrc>();
    if let Some(source) = source {
        source.set_caps(Some(&film.caps));
        feed::start(Arc::clone(film), source);
    }
}

fn test_pipeline(picture: &TestPicture) -> String {
    let TestPicture {
        codec,
        width,
        height,
        fps,
    } = picture;
    format!(
        "( videotestsrc is-live=true pattern=ball ! \
         video/x-raw,width={width},height={height},framerate={fps}/1 ! {} ! {} )",
        codec.encoder(*fps),
        codec.payloader()
    )
}

fn protocols(transport: Transport) -> RTSPLowerTrans {
    match transport {
        Transport::Both => RTSPLowerTrans::TCP | RTSPLowerTrans::UDP,
        Transport::Tcp => RTSPLowerTrans::TCP,
        Transport::Udp => RTSPLowerTrans::UDP,
    }
}

fn auth(settings: &Settings) -> Result<RTSPAuth> {
    let auth = RTSPAuth::new();
    let mut token = RTSPToken::builder()
        .field(RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
        .build();
    match &settings.login {
        None => auth.set_default_token(Some(&mut token)),
        Some(login) => match login.scheme {
            Scheme::Basic => {
                let basic = RTSPAuth::make_basic(&login.user, &login.password);
                auth.set_supported_methods(RTSPAuthMethod::Basic);
                auth.add_basic(&basic, &token);
            }
            Scheme::Digest => {
                auth.set_supported_methods(RTSPAuthMethod::Digest);
                auth.add_digest(&login.user, &login.password, &token);
            }
        },
    }
    if let Some((certificate, key)) = &settings.tls {
        let identity = gio::TlsCertificate::from_files(certificate, key)
            .with_context(|| format!("can't use {}", certificate.display()))?;
        auth.set_tls_certificate(Some(&identity));
    }
    Ok(auth)
}
