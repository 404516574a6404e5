//! A NATS server that is far away: what it says comes late.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use streamhub_e2e::{Cluster, Forward, SYSTEM};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way for pods to the chart's server, at first as short as it can be. Somebody beside that server reads all frames of a
/// subject, as nobody's are not even sent. Both end when dropped.
pub struct Far {
    address: SocketAddr,
    delay: watch::Sender<Duration>,
    tasks: [JoinHandle<()>; 2],
    _reader: async_nats::Client,
    _forward: Forward,
}

impl Far {
    pub async fn start(cluster: &Cluster, subject: String) -> Result<Self> {
        let forward = cluster.forward(SYSTEM, "service/streamhub-nats", 4222)?;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, forward.port()));
        let reader = async_nats::connect(format!("nats://{server}")).await?;
        let mut frames = reader.subscribe(subject).await?;
        // The control plane's address, which nodes and pods reach.
        let listener = TcpListener::bind((Ipv4Addr::new(10, 99, 0, 1), 0))
            .await
            .context("the test does not run in the cluster's network")?;
        let address = listener.local_addr()?;
        let (delay, delayed) = watch::channel(Duration::ZERO);
        let read = tokio::spawn(async move { while frames.next().await.is_some() {} });
        let lead = tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let delayed = delayed.clone();
                tokio::spawn(async move {
                    if let Ok(inside) = TcpStream::connect(server).await {
                        pass(outside, inside, delayed).await;
                    }
                });
            }
        });
        Ok(Self {
            address,
            delay,
            tasks: [read, lead],
            _reader: reader,
            _forward: forward,
        })
    }

    /// What the server says from now on takes at least so long.
    pub fn answers_after(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }

    /// What a pod connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn pass(mut outside: TcpStream, mut inside: TcpStream, delay: watch::Receiver<Duration>) {
    let (mut from_outside, mut to_outside) = outside.split();
    let (mut from_inside, mut to_inside) = inside.split();
    let back = async move {
        let mut said = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_inside.read(&mut said).await {
            let wait = *delay.borrow();
            tokio::time::sleep(wait).await;
            if to_outside.write_all(&said[..length]).await.is_err() {
                return;
            }
        }
    };
    // An end that goes away is what ends a connection.
    tokio::select! {
        _ = tokio::io::copy(&mut from_outside, &mut to_inside) => {}
        () = back => {}
    }
}
