//! A client's own server: takes webhooks, remembers them, and answers as it was told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What came in one request.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// How a request is answered.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// With this status, and nothing more.
    Status(u16),
    /// With this status, after a while.
    Slowly(u16, Duration),
    /// With a redirect.
    To(String),
    /// Not at all; the connection stays open.
    Never,
    /// With a body that doesn't end.
    Endless,
}

#[derive(Debug, Default)]
struct Inside {
    got: Vec<Got>,
    /// For the next requests; then [`Reply::Status`] 204.
    replies: VecDeque<Reply>,
}

#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) origin: String,
    inside: Arc<Mutex<Inside>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { origin, inside: Arc::default() };
        let inside = Arc::clone(&receiver.inside);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&inside)));
            }
        });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("{}/hook?for=ada", self.origin)
    }

    /// How the next requests are answered.
    pub(super) fn will(&self, replies: impl IntoIterator<Item = Reply>) {
        self.inside.lock().unwrap().replies.extend(replies);
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.inside.lock().unwrap().got.clone()
    }
}

async fn serve(mut socket: TcpStream, inside: Arc<Mutex<Inside>>) {
    let Some(got) = read(&mut socket).await else { return };
    let reply = {
        let mut inside = inside.lock().unwrap();
        inside.got.push(got);
        inside.replies.pop_front().unwrap_or(Reply::Status(204))
    };
    let head = |status: u16| format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let text = match reply {
        Reply::Status(status) => head(status),
        Reply::Slowly(status, pause) => {
            tokio::time::sleep(pause).await;
            head(status)
        }
        Reply::To(location) => format!("HTTP/1.1 302 x\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        Reply::Never => {
            let _closed = socket.read(&mut [0; 64]).await;
            return;
        }
        Reply::Endless => "HTTP/1.1 200 x\r\n\r\n".to_owned(),
    };
    let endless = !text.contains("content-length");
    if socket.write_all(text.as_bytes()).await.is_ok() {
        while endless && socket.write_all(&[b'x'; 1_024]).await.is_ok() {}
    }
}

async fn read(socket: &mut TcpStream) -> Option<Got> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8_192];
    loop {
        let read = socket.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let mut lines = head.split("\r\n");
        let path = lines.next()?.split(' ').nth(1)?.to_owned();
        let headers: BTreeMap<String, String> =
            lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let length: usize = headers.get("content-length")?.parse().ok()?;
        if bytes.len() >= end + 4 + length {
            return Some(Got { path, headers, body: bytes[end + 4..].to_vec() });
        }
    }
}
