//! The loopback listener: bounded connections, bounded patience, an end that lets requests finish.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Edge;
use crate::stop::{Stop, stopped};

/// Connections at once; further ones wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 512;
/// Free ones below which an answer ends its connection: those that are kept for a request that may come must not lock others out.
const SCARCE: usize = MAX_CONNECTIONS / 4;
/// How long a client may take to send a request's head, which also ends idle connections.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long requests may go on after the shutdown.
const DRAIN: Duration = Duration::from_secs(10);
/// Waits out a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The addresses that `localhost` may stand for, on one port.
#[derive(Debug)]
pub(crate) struct Listeners {
    v4: TcpListener,
    v6: Option<TcpListener>,
}

impl Listeners {
    /// Binds loopback on `port`, or on a free one when it is 0. Browsers try IPv6 first for `localhost`: if somebody else had
    /// that half of the port, they would be sent there, so it must be ours too, unless the machine has no IPv6.
    pub(crate) async fn bind(port: u16) -> io::Result<Self> {
        let v4 = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let port = v4.local_addr()?.port();
        let v6 = match TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await {
            Ok(listener) => Some(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "no IPv6 loopback");
                None
            }
        };
        Ok(Self { v4, v6 })
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        Ok(self.v4.local_addr()?.port())
    }

    /// Serves until `stop` holds true, then lets running requests end.
    pub(crate) async fn serve(self, edge: Arc<Edge>, mut stop: Stop) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = async {
                let permit = Arc::clone(&permits).acquire_owned().await;
                let accepted = match &self.v6 {
                    Some(v6) => tokio::select! { accepted = self.v4.accept() => accepted, accepted = v6.accept() => accepted },
                    None => self.v4.accept().await,
                };
                (permit, accepted)
            };
            let (permit, (stream, peer)) = tokio::select! {
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => continue,
                (permit, accepted) = accepted => match accepted {
                    Ok(accepted) => (permit, accepted),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let (edge, stop, free) = (Arc::clone(&edge), stop.clone(), Arc::clone(&permits));
            connections.spawn(async move {
                serve_connection(stream, peer.ip(), edge, free, stop).await;
                drop(permit);
            });
        }
        let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("requests were cut off at the shutdown");
        }
    }
}

async fn serve_connection(stream: TcpStream, peer: IpAddr, edge: Arc<Edge>, free: Arc<Semaphore>, mut stop: Stop) {
    // Answers are written in one piece or streamed; waiting for more to send only adds delay.
    let _unsupported = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (edge, free) = (Arc::clone(&edge), Arc::clone(&free));
        async move {
            let mut answer = edge.answer(request.map(axum::body::Body::new), peer).await;
            if free.available_permits() < SCARCE {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let builder = {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        builder
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
