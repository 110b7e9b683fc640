//! Pictures that people bring: sent, checked, made plain, and worked from.

use std::io::Cursor;

use http::{Method, StatusCode};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use shared::domain::upload::Upload;
use shared::media::{Bucket, MediaError};

use crate::world::{Answer, Client, World, sha256};

mod sending;
mod using;

fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn plain(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    file(RgbImage::from_pixel(width, height, Rgb(colour)), ImageFormat::Png)
}

fn announced(purpose: &str, content_type: &str, bytes: &[u8]) -> Value {
    json!({"purpose": purpose, "content_type": content_type, "bytes": bytes.len(), "sha256": sha256(bytes)})
}

async fn begin(client: &Client, purpose: &str, content_type: &str, bytes: &[u8]) -> Value {
    let answer = client.post("/api/v1/uploads", &announced(purpose, content_type, bytes)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    answer.json()
}

/// Sends `bytes` as the ticket says, with the headers that `change` has changed.
async fn put(client: &Client, ticket: &Value, bytes: &[u8], change: &[(&str, &str)]) -> Answer {
    assert_eq!(ticket["upload"]["method"], "PUT");
    let mut headers = ticket["upload"]["headers"].as_object().unwrap().clone();
    headers.extend(change.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    client.send(Method::PUT, ticket["upload"]["url"].as_str().unwrap(), &headers, bytes.to_vec()).await
}

async fn complete(client: &Client, id: &str) -> Answer {
    client.send(Method::POST, &format!("/api/v1/uploads/{id}/complete"), &[], Vec::new()).await
}

/// Begins, sends, and completes; the answer.
async fn sent(client: &Client, purpose: &str, content_type: &str, bytes: &[u8]) -> (String, Answer) {
    let ticket = begin(client, purpose, content_type, bytes).await;
    let answer = put(client, &ticket, bytes, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let id = ticket["id"].as_str().unwrap().to_owned();
    let answer = complete(client, &id).await;
    (id, answer)
}

/// The id of an upload that can be used.
pub(crate) async fn uploaded(client: &Client, purpose: &str, bytes: &[u8]) -> String {
    let (id, answer) = sent(client, purpose, "image/png", bytes).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    id
}

async fn record(world: &World, client: &Client, id: &str) -> Upload {
    world.platform.db.upload(client.user().id, id.parse().unwrap()).await.unwrap().unwrap()
}

/// What is kept of an upload.
async fn kept(world: &World, client: &Client, id: &str) -> Vec<u8> {
    let key = record(world, client, id).await.clean.unwrap().key;
    world.platform.media.get(Bucket::Uploads, &key, 1 << 24).await.unwrap().to_vec()
}

async fn is_absent(world: &World, key: &str) -> bool {
    matches!(world.platform.media.head(Bucket::Uploads, key).await, Err(MediaError::NotFound))
}

fn restyled(image: &str) -> Value {
    json!({"model": "flux-dev-img2img", "inputs": {"prompt": "in autumn", "images": [image]}, "parameters": {"seed": 7}})
}

/// `request` is refused by both ways to ask, for this field and with this code; nothing is reserved.
async fn assert_unusable(what: &str, client: &Client, request: &Value, field: &str, code: &str) {
    let estimate = client.post("/api/v1/generations/estimate", request).await;
    for answer in [client.generate(request).await, estimate] {
        assert_eq!(answer.code(), (400, "validation".to_owned()), "{what}: {}", answer.text());
        let errors = answer.json()["errors"].clone();
        assert_eq!((&errors[0]["field"], &errors[0]["code"]), (&json!(field), &json!(code)), "{what}: {errors}");
        assert_eq!(errors.as_array().unwrap().len(), 1, "{what}: {errors}");
    }
    assert_eq!((client.ledger("reserved").await, client.usage().await), (0, (0, 0)), "{what}");
}
