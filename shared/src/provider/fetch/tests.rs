use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::outbound::{HOSTILE, Lookup};

const QUICK: Patience = Patience { connect: Duration::from_secs(2), idle: Duration::from_millis(300), total: Duration::from_secs(5) };

/// A server that answers every connection with `answer`, then goes on sending `endless` (if any) until it is hung up on.
/// Returns its origin, how many connections it saw, and how many bytes it could send.
async fn serve(answer: &'static str, endless: &'static [u8]) -> (String, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (connections, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, written) = (Arc::clone(&connections), Arc::clone(&sent));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            let written = Arc::clone(&written);
            tokio::spawn(async move {
                let mut head = [0; 4_096];
                let _ = socket.read(&mut head).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                while !endless.is_empty() && socket.write_all(endless).await.is_ok() {
                    written.fetch_add(endless.len(), Ordering::SeqCst);
                }
                if endless.is_empty() {
                    // Stays open without a word: the client must give up by itself.
                    let _ = socket.read(&mut head).await;
                }
            });
        }
    });
    (origin, connections, sent)
}

fn fetcher(origins: &[&str], found: &'static [&'static str]) -> Fetcher {
    let lookup: Lookup =
        Arc::new(move |_| Box::pin(async move { Ok(found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()) }));
    let origins = Origins::new(&origins.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>());
    Fetcher::behind(Guard::with_lookup(origins, lookup), QUICK).unwrap()
}

async fn read(stream: MediaStream) -> Result<Vec<u8>, FetchError> {
    stream
        .body
        .try_fold(Vec::new(), |mut all, chunk| async move {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
}

#[tokio::test]
async fn a_medium_is_streamed_from_a_listed_origin() {
    let (origin, connections, _) =
        serve("HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello", b"").await;
    let fetcher = fetcher(&[&origin], &[]);
    let stream = fetcher.open(&format!("{origin}/a.png"), 5).await.unwrap();
    assert_eq!((stream.content_type.as_deref(), stream.length), (Some("image/png"), Some(5)));
    assert_eq!(read(stream).await.unwrap(), b"hello");
    assert!(matches!(fetcher.open(&format!("{origin}/a.png"), 4).await, Err(FetchError::TooLarge(4))), "by what it says of itself");
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn hostile_addresses_are_never_connected_to() {
    let (origin, connections, _) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"").await;
    let port = origin.rsplit_once(':').unwrap().1.to_owned();
    let fetcher = fetcher(&["https://*.fal.media"], &["127.0.0.1", "169.254.169.254", "::1"]);
    for url in HOSTILE {
        assert!(fetcher.open(url, 1_000).await.is_err(), "{url}");
    }
    // The same server under every name that leads to it.
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0", "2130706433", "v3.fal.media", "v3.fal.media@127.0.0.1"] {
        for scheme in ["http", "https"] {
            assert!(fetcher.open(&format!("{scheme}://{host}:{port}/"), 1_000).await.is_err(), "{scheme}://{host}");
        }
    }
    // A listed name that has come to mean an inner address (rebinding): refused at the moment of connecting.
    assert!(
        matches!(fetcher.open("https://v3.fal.media/a.png", 1_000).await, Err(FetchError::Interrupted(why)) if why.contains("no public address"))
    );
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn redirects_and_errors_are_not_media() {
    let (target, reached, _) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"").await;
    for (status, retryable) in
        [("302 Found", false), ("404 Not Found", false), ("403 Forbidden", false), ("206 Partial", false), ("503 Busy", true)]
    {
        let head: &'static str = Box::leak(
            format!("HTTP/1.1 {status}\r\nlocation: {target}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_boxed_str(),
        );
        let (origin, ..) = serve(head, b"").await;
        let error = fetcher(&[&origin, &target], &[]).open(&origin, 10).await.unwrap_err();
        assert_eq!(error.retryable(), retryable, "{status}: {error}");
    }
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    static CHUNK: [u8; 4_096] = [7; 4_096];
    const LIMIT: u64 = 4 * 1024 * 1024;
    let (origin, _, sent) = serve("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", &CHUNK).await;
    let mut stream = fetcher(&[&origin], &[]).open(&origin, LIMIT).await.unwrap();
    let mut taken = 0;
    let error = loop {
        match stream.body.next().await {
            Some(Ok(chunk)) => taken += chunk.len() as u64,
            Some(Err(error)) => break error,
            None => panic!("an error, not an end"),
        }
    };
    assert!(matches!(error, FetchError::TooLarge(LIMIT)));
    assert!(taken <= LIMIT, "{taken}");
    assert!(stream.body.next().await.is_none(), "nothing after an error");
    drop(stream);
    // What the server got rid of is what we took and what lay in the sockets' buffers: it didn't go on for ever.
    assert!(sent.load(Ordering::SeqCst) < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let (origin, ..) = serve("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", b"").await;
    let stream = fetcher(&[&origin], &[]).open(&origin, 1_000).await.unwrap();
    let error = read(stream).await.unwrap_err();
    assert!(error.retryable(), "{error}");
}

#[tokio::test]
async fn inline_media_are_bounded_too() {
    let fetcher = fetcher(&[], &[]);
    let stream = fetcher.open("data:image/png;base64,aGVsbG8=", 5).await.unwrap();
    assert_eq!(stream.content_type.as_deref(), Some("image/png"));
    assert_eq!(read(stream).await.unwrap(), b"hello");
    assert!(matches!(fetcher.open("data:image/png;base64,aGVsbG8=", 4).await, Err(FetchError::TooLarge(4))));
    for bad in ["data:", "data:image/png,hello", "data:image/png;base64,%%%"] {
        assert!(matches!(fetcher.open(bad, 100).await, Err(FetchError::Refused(_))), "{bad}");
    }
}
