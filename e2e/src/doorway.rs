//! A way for pods to servers that listen on 127.0.0.1 beside the test.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Passes TCP connections on; closes when dropped.
#[derive(Debug)]
pub struct Doorway {
    address: SocketAddr,
    port: watch::Sender<u16>,
    task: JoinHandle<()>,
}

impl Doorway {
    /// To a port of 127.0.0.1. Only where the test runs in the cluster's network, as `e2e/cluster/run` has it.
    pub async fn to(port: u16) -> Result<Self> {
        // The control plane's address, which nodes and pods reach.
        let listener = TcpListener::bind((Ipv4Addr::new(10, 99, 0, 1), 0))
            .await
            .context("the test does not run in the cluster's network")?;
        let address = listener.local_addr()?;
        let (port, leads_to) = watch::channel(port);
        let task = tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let port = *leads_to.borrow();
                tokio::spawn(async move {
                    if let Ok(mut inside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                        // An end that goes away is what ends a connection.
                        let _ = copy_bidirectional(&mut outside, &mut inside).await;
                    }
                });
            }
        });
        Ok(Self {
            address,
            port,
            task,
        })
    }

    /// Passes new connections on to another port.
    pub fn lead_to(&self, port: u16) {
        self.port.send_replace(port);
    }

    /// What a pod connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Doorway {
    fn drop(&mut self) {
        self.task.abort();
    }
}
