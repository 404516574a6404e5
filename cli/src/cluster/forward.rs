//! Streams to ports of pods, through the API server.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::{Backend, Cluster, ClusterError, Target};

/// A NATS client holds one connection, and while it changes over two.
const AT_ONCE: usize = 8;
/// An API server that can't be reached is not asked again and again.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// A stream to a port of a pod; it ends when dropped.
pub struct PodStream {
    stream: DuplexStream,
    forwarder: Portforwarder,
}

impl PodStream {
    /// Opens one.
    pub async fn open(cluster: &Cluster, backend: &Backend) -> Result<Self, ClusterError> {
        let Backend {
            namespace,
            pod,
            port,
        } = backend;
        let what = || format!("forward port {port} of pod {namespace}/{pod}");
        let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), namespace);
        let ports = [*port];
        let mut forwarder = cluster.ask(what, pods.portforward(pod, &ports)).await?;
        match forwarder.take_stream(*port) {
            Some(stream) => Ok(Self { stream, forwarder }),
            None => Err(ClusterError::NotFound(format!("can't {}", what()))),
        }
    }
}

impl Drop for PodStream {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl AsyncRead for PodStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PodStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A port of this machine that leads to a Service of the cluster; closed when dropped.
pub struct Forward {
    /// Where it listens, on 127.0.0.1.
    pub address: SocketAddr,
    failure: Arc<Mutex<String>>,
    task: AbortHandle,
}

impl Forward {
    /// Starts to listen. Each connection goes to a pod that is ready at that time.
    pub async fn start(cluster: Cluster, target: Target) -> Result<Self, ClusterError> {
        // Whether there is one now: better said at once than by connections that end.
        target.backend(&cluster).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let failure = Arc::new(Mutex::new(String::new()));
        let serving = serve(listener, cluster, target, failure.clone());
        Ok(Self {
            address,
            failure,
            task: tokio::spawn(serving).abort_handle(),
        })
    }

    /// Why the last connection did not come through; empty where it did.
    pub fn failure(&self) -> String {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    cluster: Cluster,
    target: Target,
    failure: Arc<Mutex<String>>,
) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    // Aborts what is left in it when this task ends.
    let mut connections = JoinSet::new();
    while let Ok(place) = room.clone().acquire_owned().await {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(AFTER_FAILURE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let (cluster, target, failure) = (cluster.clone(), target.clone(), failure.clone());
        connections.spawn(async move {
            let _place = place;
            let outcome = carry(socket, &cluster, &target, &failure).await;
            if let Err(error) = outcome {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = error.to_string();
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        });
    }
}

async fn carry(
    mut socket: TcpStream,
    cluster: &Cluster,
    target: &Target,
    failure: &Mutex<String>,
) -> Result<(), ClusterError> {
    let backend = target.backend(cluster).await?;
    let mut pod = PodStream::open(cluster, &backend).await?;
    failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
    let _ = socket.set_nodelay(true);
    // Either end may end it; the client connects again.
    let _ = copy_bidirectional(&mut socket, &mut pod).await;
    Ok(())
}
