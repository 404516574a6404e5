//! One small GET to a process on this machine, or over any stream.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

const LIMIT: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_millis(900);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody listens, or the connection broke.
    #[error("no connection: {0}")]
    Connect(#[from] std::io::Error),
    /// Not HTTP, or broken off.
    #[error("no answer: {0}")]
    Protocol(#[from] hyper::Error),
    /// The body broke off or is over 256 KiB.
    #[error("unreadable answer: {0}")]
    Body(String),
    /// It took more than 0.9 s.
    #[error("no answer in time")]
    Timeout,
}

/// Status code and body of `http://127.0.0.1:<port><path>`.
pub async fn get(port: u16, path: &str) -> Result<(StatusCode, Bytes), HttpError> {
    let asking = async {
        let stream = TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)).await?;
        exchange(stream, path).await
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .map_err(|_| HttpError::Timeout)?
}

/// Status code and body of `path`, over a stream that is open.
pub async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
) -> Result<(StatusCode, Bytes), HttpError> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = hyper::Request::get(path)
        .header(hyper::header::HOST, "localhost")
        .body(Empty::<Bytes>::new())
        .map_err(|error| HttpError::Body(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let code = response.status();
        let body = Limited::new(response.into_body(), LIMIT).collect().await;
        let body = body.map_err(|error| HttpError::Body(error.to_string()))?;
        Ok((code, body.to_bytes()))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        broken = &mut connection => { broken?; exchange.await }
    }
}
