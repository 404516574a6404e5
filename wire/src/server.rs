//! The server's side as text: the configuration of a local nats-server, and the permissions of who connects.

use std::fmt::Write as _;

use crate::subjects::{Prefix, Token};

/// A nats-server for one machine, set so that a reader that is behind cannot hold back anybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalServer {
    /// Address to listen on.
    pub host: std::net::IpAddr,
    /// Port to listen on; 0 lets the server choose one.
    pub port: u16,
}

impl LocalServer {
    /// The configuration file.
    ///
    /// Never add `no_fast_producer_stall`: it makes false "no responders" answers.
    pub fn config(&self) -> String {
        let port = match self.port {
            0 => -1,
            port => i32::from(port),
        };
        format!(
            "listen: \"{}:{port}\"\n\
             # A 4K frame of good quality fits.\n\
             max_payload: 8MB\n\
             # A reader that is this far behind is disconnected.\n\
             max_pending: 8MB\n\
             write_deadline: \"2s\"\n",
            self.host
        )
    }
}

/// What somebody may publish and subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    publish: Vec<String>,
    subscribe: Vec<String>,
    responses: bool,
}

impl Permissions {
    /// An ingest of one camera, or of any camera of the hub when they share an account.
    pub fn ingest(prefix: &Prefix, camera: Option<&Token>) -> Self {
        let camera = camera.map_or("*", Token::as_str);
        let inbox = format!("_INBOX_ingest.{camera}.>");
        Self {
            publish: vec![
                format!("{prefix}.frames.{camera}.*"),
                format!("{prefix}.meta.{camera}.*"),
                format!("{prefix}.status.{camera}"),
                format!("{prefix}.events.{camera}.*"),
                inbox.clone(),
            ],
            subscribe: vec![
                format!("{prefix}.feedback.>"),
                format!("{prefix}.next.{camera}.*"),
                format!("{prefix}.status.{camera}"),
                inbox,
            ],
            responses: true,
        }
    }

    /// A module: reads everything, asks for frames, and speaks under its own name only.
    pub fn module(prefix: &Prefix, module: &Token) -> Self {
        let mut permissions = Self::viewer(prefix);
        permissions
            .publish
            .insert(0, format!("{prefix}.feedback.{module}.>"));
        permissions
    }

    /// A viewer: reads everything and asks for frames.
    pub fn viewer(prefix: &Prefix) -> Self {
        let mut subscribe: Vec<String> = ["frames", "meta", "status", "events", "feedback"]
            .iter()
            .map(|kind| format!("{prefix}.{kind}.>"))
            .collect();
        subscribe.push("_INBOX.>".to_owned());
        Self {
            publish: vec![format!("{prefix}.next.>")],
            subscribe,
            responses: false,
        }
    }

    /// The value of `permissions:` of a user in a nats-server configuration.
    pub fn config(&self) -> String {
        let mut text = String::from("{\n");
        for (what, subjects) in [("publish", &self.publish), ("subscribe", &self.subscribe)] {
            let _ = writeln!(text, "  {what}: {{ allow: [");
            for subject in subjects {
                let _ = writeln!(text, "    \"{subject}\"");
            }
            text.push_str("  ] }\n");
        }
        if self.responses {
            text.push_str("  allow_responses: true\n");
        }
        text.push('}');
        text
    }
}
