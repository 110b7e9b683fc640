//! Buckets and queues of a simulated world: as much of S3 and SQS as the use cases ask for, in memory.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// An answer of S3: status, header fields, body.
pub(super) type Answer = (u16, Vec<(&'static str, String)>, Bytes);

/// Objects by `bucket/key`.
#[derive(Default)]
pub(super) struct Buckets(BTreeMap<String, (String, Bytes)>);

impl Buckets {
    pub(super) fn get(&self, bucket: &str, key: &str) -> Option<&Bytes> {
        self.0.get(&format!("{bucket}/{key}")).map(|(_, bytes)| bytes)
    }

    /// `path` is `bucket/key`.
    pub(super) fn serve(&mut self, method: &str, path: &str, header: impl Fn(&str) -> Option<String>, body: Bytes) -> Answer {
        let problem = |status: u16, code: &str| (status, Vec::new(), Bytes::from(format!("<Error><Code>{code}</Code></Error>")));
        match method {
            "PUT" if header("if-none-match").is_some() && self.0.contains_key(path) => problem(412, "PreconditionFailed"),
            "PUT" => {
                let checksum = STANDARD.encode(Sha256::digest(&body));
                if header("x-amz-checksum-sha256").is_some_and(|sent| sent != checksum) {
                    return problem(400, "BadDigest");
                }
                self.0.insert(path.to_owned(), (header("content-type").unwrap_or_default(), body));
                (200, Vec::new(), Bytes::new())
            }
            "HEAD" | "GET" => {
                let Some((content_type, bytes)) = self.0.get(path) else { return problem(404, "NoSuchKey") };
                let mut fields =
                    vec![("content-type", content_type.clone()), ("x-amz-checksum-sha256", STANDARD.encode(Sha256::digest(bytes)))];
                let range = header("range").and_then(|range| {
                    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
                    Some((from.parse::<usize>().ok()?, to.parse::<usize>().unwrap_or(usize::MAX).min(bytes.len() - 1)))
                });
                match range {
                    Some((from, _)) if from >= bytes.len() => problem(416, "InvalidRange"),
                    Some((from, to)) => {
                        fields.retain(|(name, _)| !name.starts_with("x-amz-checksum"));
                        fields.push(("content-range", format!("bytes {from}-{to}/{}", bytes.len())));
                        fields.push(("content-length", (to + 1 - from).to_string()));
                        (206, fields, bytes.slice(from..=to))
                    }
                    None => {
                        fields.push(("content-length", bytes.len().to_string()));
                        (200, fields, if method == "GET" { bytes.clone() } else { Bytes::new() })
                    }
                }
            }
            other => panic!("the product never sent {other} to a bucket before"),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) body: String,
    pub(super) receives: u32,
    /// Milliseconds of the world's time.
    pub(super) visible_at: u64,
}

/// As in the template.
const MAX_RECEIVES: u32 = 5;

#[derive(Default)]
pub(super) struct Queue {
    messages: Vec<Message>,
    pub(super) dead: Vec<Message>,
    next: u64,
}

impl Queue {
    pub(super) fn send(&mut self, body: String, visible_at: u64) {
        self.next += 1;
        self.messages.push(Message { id: self.next, body, receives: 0, visible_at });
    }

    /// The message that can be seen for longest, hidden for `hide` from now on.
    pub(super) fn receive(&mut self, now: u64, hide: u64) -> Option<Message> {
        loop {
            let (index, _) =
                self.messages.iter().enumerate().filter(|(_, m)| m.visible_at <= now).min_by_key(|(_, m)| (m.visible_at, m.id))?;
            if self.messages[index].receives >= MAX_RECEIVES {
                self.dead.push(self.messages.remove(index));
                continue;
            }
            let message = &mut self.messages[index];
            (message.receives, message.visible_at) = (message.receives + 1, now + hide);
            return Some(message.clone());
        }
    }

    pub(super) fn delete(&mut self, id: u64) {
        self.messages.retain(|message| message.id != id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// When the next message can be seen.
    pub(super) fn next_at(&self) -> Option<u64> {
        self.messages.iter().map(|message| message.visible_at).min()
    }
}
