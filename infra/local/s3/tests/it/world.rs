//! A store in a folder of its own, served on a random port, and ways to talk to it.

use aws_credential_types::Credentials as SdkCredentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::presigning::PresignedRequest;
use local_s3::{Credentials, S3Service, Store, serve, service};
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub(crate) const BUCKET: &str = "media";

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) service: S3Service,
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) dir: TempDir,
    _stop: oneshot::Sender<()>,
}

/// In memory where the machine has such a folder: the same code runs, only the flushes are cheap.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

pub(crate) fn credentials() -> Credentials {
    Credentials { access_key_id: "LOCALTESTKEY".to_owned(), secret_access_key: "not-a-secret".to_owned().into() }
}

pub(crate) fn client(address: SocketAddr, secret: &str) -> Client {
    client_at(format!("http://{address}"), secret)
}

pub(crate) fn client_at(endpoint: String, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SdkCredentials::new("LOCALTESTKEY", secret, None, None, "test"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = folder();
        let store = Store::open(dir.path()).unwrap();
        store.create_bucket(BUCKET, &[]).unwrap();
        let service = service(store.clone(), &credentials());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        tokio::spawn(serve(listener, service.clone(), shutdown));
        Self { client: client(address, "not-a-secret"), store, service, address, dir, _stop: stop }
    }

    pub(crate) async fn put(&self, key: &str, body: &[u8]) {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        put.body(body.to_vec().into()).send().await.unwrap();
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.client.get_object().bucket(BUCKET).key(key).send();
        let body = got.await.unwrap().body.collect().await.unwrap();
        body.into_bytes().to_vec()
    }

    pub(crate) async fn exists(&self, key: &str) -> bool {
        let head = self.client.head_object().bucket(BUCKET).key(key).send();
        match head.await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(status(&error), 404);
                false
            }
        }
    }

    /// Files that are half-written.
    pub(crate) fn leftovers(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("tmp")).unwrap().count()
    }

    /// Sends what was presigned, after `change` had its way with it.
    pub(crate) async fn send(
        &self,
        presigned: &PresignedRequest,
        body: &[u8],
        change: impl FnOnce(&mut String, &mut Vec<(String, String)>),
    ) -> Answer {
        let uri = presigned.uri();
        let mut target = uri[uri.find(&self.address.to_string()).unwrap()..].strip_prefix(&self.address.to_string()).unwrap().to_owned();
        let mut headers: Vec<(String, String)> =
            presigned.headers().filter(|(name, _)| *name != "host").map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        change(&mut target, &mut headers);
        raw(self.address, presigned.method(), &target, &headers, body).await
    }
}

/// The HTTP status of a failed call.
pub(crate) fn status<E>(error: &SdkError<E>) -> u16 {
    error.raw_response().expect("an answer").status().as_u16()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The `Code` of an S3 error.
    pub(crate) fn code(&self) -> &str {
        let text = std::str::from_utf8(&self.body).unwrap();
        let (_, rest) = text.split_once("<Code>").unwrap_or_else(|| panic!("{text}"));
        rest.split_once("</Code>").unwrap().0
    }
}

/// One request, byte by byte as given, hanging up after a body that is shorter than promised.
pub(crate) async fn raw(address: SocketAddr, method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that has refused the head may have stopped reading.
    let _ = stream.write_all(body).await;
    let promised = headers.iter().find(|(name, _)| name == "content-length");
    if promised.is_some_and(|(_, length)| length.parse() != Ok(body.len())) {
        let _ = stream.shutdown().await;
    }
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.get(9..12).and_then(|code| code.parse().ok());
    Answer { status: status.unwrap_or(0), head, body: bytes[end..].to_vec() }
}
