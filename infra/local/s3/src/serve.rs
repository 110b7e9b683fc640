//! The service on a listener, for clients that come over the loopback interface.

use crate::S3Service;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Connections served at once; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 512;
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests may go on after the shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Waits out a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves HTTP/1.1 until `shutdown` is ready, then lets running requests end, for at most 10 seconds. A connection's
/// failure ends that connection only.
pub async fn serve(listener: TcpListener, service: S3Service, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => (permit, stream),
                Err(error) => {
                    tracing::warn!(%error, "a connection to the object store could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let (service, stopped) = (service.clone(), stopped.clone());
        connections.spawn(async move {
            let _permit = permit;
            connection(stream, service, stopped).await;
        });
    }
    drop(stop);
    let drained = tokio::time::timeout(DRAIN_TIMEOUT, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("requests to the object store were cut off at the shutdown");
    }
}

async fn connection(stream: TcpStream, service: S3Service, mut stopped: watch::Receiver<()>) {
    // Answers are written in one piece or streamed; waiting for more to send only adds delay.
    let _ = stream.set_nodelay(true);
    let answer = hyper::service::service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.call(request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).serve_connection(TokioIo::new(stream), answer)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        // An error: the sender is gone, which is the sign to stop.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the object store broke");
    }
}
