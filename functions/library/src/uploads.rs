//! Files that people bring: a place to send one to, then a picture made of what came.
//!
//! What came is never shown and never sent on: it is decoded here, where there is no key of the provider, and encoded anew.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::auth::Scope;
use shared::db::uploads::{MOST_A_DAY, NotBegun};
use shared::domain::fields::FieldErrors;
use shared::domain::upload::{CleanPicture, Flaw, LIFE, Purpose, Refused, Upload, UploadState};
use shared::http::{ApiError, ApiJson, ApiPath, ApiResult, CurrentUser};
use shared::id::UploadId;
use shared::media::codec::{self, Bounds, Clean, Undecodable};
use shared::media::{Bucket, MediaError, MediaType, keys};
use shared::runtime::Platform;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long a file may be sent to its place: ten megabytes through a slow connection, and no longer.
const PUT_LIFE: Duration = Duration::from_secs(900);
/// Bytes of a file, in the unit people read.
const MOST_MIB: usize = Bounds::UPLOAD.bytes >> 20;

pub(crate) fn routes() -> OpenApiRouter<Platform> {
    OpenApiRouter::new().routes(routes!(begin_upload)).routes(routes!(complete_upload))
}

/// A file to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUpload {
    /// `image` to work from, `mask` to say where to paint (white is painted anew).
    purpose: Purpose,
    /// What it will be sent as: `image/png`, `image/jpeg` or `image/webp`. What it is, its bytes say.
    #[schema(example = "image/png", pattern = "^image/(png|jpeg|webp)$")]
    content_type: String,
    /// Its length, 1 to 10,485,760.
    #[schema(minimum = 1, maximum = 10_485_760)]
    bytes: u64,
    /// Its SHA-256, 64 lower-case hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
}

/// How to send the file.
#[derive(Debug, Serialize, ToSchema)]
struct UploadRequest {
    /// Always `PUT`.
    method: &'static str,
    /// Takes exactly these bytes, for 15 minutes.
    url: String,
    /// To be sent exactly so.
    headers: BTreeMap<String, String>,
}

/// A place for a file.
#[derive(Debug, Serialize, ToSchema)]
struct UploadTicket {
    /// Names the upload, here and in the inputs of a request.
    id: String,
    /// How to send the file.
    upload: UploadRequest,
    /// Until when it can be used in a request.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// The picture that was made of a file: upright, without metadata, at most 2,048 pixels on the longer side.
#[derive(Debug, Serialize, ToSchema)]
struct UploadedPicture {
    /// Names it in the inputs of a request.
    id: String,
    /// `image/png` or `image/jpeg`.
    content_type: String,
    /// Pixels.
    width: u32,
    /// Pixels.
    height: u32,
    /// Of the picture, not of the file that was sent.
    bytes: u64,
}

/// A place for a picture or a mask.
///
/// Send the file to `upload.url` by `upload.method` with exactly `upload.headers`, then complete the upload. PNG, JPEG or WebP, at most
/// 10 MiB and 16 megapixels (16,777,216 pixels), one picture and no animation. At most 100 a day; each is kept for 24 hours.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "Uploads", request_body = NewUpload, responses((status = 201, body = UploadTicket)))]
async fn begin_upload(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiJson(new): ApiJson<NewUpload>,
) -> ApiResult<impl IntoResponse> {
    user.require(Scope::Generate)?;
    let sha256 = check(&new)?;
    let now = platform.clock.now();
    let upload = Upload {
        id: UploadId::new(now),
        user: user.id(),
        purpose: new.purpose,
        state: UploadState::Pending,
        content_type: new.content_type,
        bytes: new.bytes,
        sha256: new.sha256,
        clean: None,
        refused: None,
        created_at: now,
        expires_at: now + LIFE,
    };
    match platform.db.begin_upload(&upload).await {
        Ok(()) => {}
        Err(NotBegun::TooMany) => {
            let (_, tomorrow, _) = shared::jobs::resets(now);
            return Err(ApiError::rate_limited(format!("You may upload {MOST_A_DAY} files a day."), tomorrow));
        }
        Err(NotBegun::Failed(error)) => return Err(error.into()),
    }
    let key = keys::upload_raw(upload.id);
    let put = platform.media.presign_put(&key, &upload.content_type, upload.bytes, &sha256, now, PUT_LIFE).await;
    let put = put.map_err(ApiError::internal)?;
    let upload_request = UploadRequest { method: put.method, url: put.url, headers: put.headers };
    let ticket = UploadTicket { id: upload.id.to_string(), upload: upload_request, expires_at: upload.expires_at };
    Ok((StatusCode::CREATED, Json(ticket)))
}

/// The digest of a file that may be sent.
fn check(new: &NewUpload) -> Result<[u8; 32], FieldErrors> {
    let mut errors = FieldErrors::new();
    if !MediaType::from_content_type(&new.content_type).is_some_and(MediaType::is_decodable) {
        errors.add("content_type", "not-an-option", "Only PNG, JPEG and WebP: image/png, image/jpeg or image/webp.");
    }
    if !(1..=Bounds::UPLOAD.bytes as u64).contains(&new.bytes) {
        let message = format!("A file has 1 to {} bytes ({MOST_MIB} MiB).", Bounds::UPLOAD.bytes);
        errors.add("bytes", "out-of-range", message);
    }
    let mut digest = [0; 32];
    let lower = new.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !lower || hex::decode_to_slice(&new.sha256, &mut digest).is_err() {
        errors.add("sha256", "invalid", "The file's SHA-256 in 64 lower-case hexadecimal digits.");
    }
    errors.finish(digest)
}

/// Makes a picture of the file that was sent.
///
/// What counts is what is in the file, not what it was announced as. Doing it again gives the same answer.
#[utoipa::path(post, path = "/api/v1/uploads/{id}/complete", tag = "Uploads", params(("id" = String, Path)), responses((status = 200, body = UploadedPicture), (status = 410, description = "It was begun more than 24 hours ago."), (status = 422, description = "The file can't be used, or isn't there; `errors[0].code` says why.")))]
async fn complete_upload(
    user: CurrentUser,
    State(platform): State<Platform>,
    ApiPath(id): ApiPath<UploadId>,
) -> ApiResult<Json<UploadedPicture>> {
    user.require(Scope::Generate)?;
    let upload = stored(&platform, &user, id).await?;
    if upload.state != UploadState::Pending {
        return answer(upload);
    }
    let end = match platform.media.get(Bucket::Uploads, &keys::upload_raw(id), upload.bytes).await {
        Ok(file) => end_of(&platform, &upload, file).await?,
        Err(MediaError::TooLarge(_)) => Err(not_as_announced()),
        // It never came; or another request, faster than this one, has made its picture and cleared it away.
        Err(MediaError::NotFound) => return answer(stored(&platform, &user, id).await?),
        Err(error) => return Err(ApiError::unavailable().source(error)),
    };
    platform.db.end_upload(&upload, &end).await?;
    // It may say where it was taken; nobody needs it any more. If this fails, it goes with the bucket's lifecycle.
    if let Err(error) = platform.media.delete(Bucket::Uploads, &keys::upload_raw(id)).await {
        tracing::warn!(upload.id = %id, %error, "a file that was sent could not be cleared away");
    }
    answer(stored(&platform, &user, id).await?)
}

async fn stored(platform: &Platform, user: &CurrentUser, id: UploadId) -> ApiResult<Upload> {
    let upload = platform.db.upload(user.id(), id).await?.ok_or_else(ApiError::not_found)?;
    if upload.is_over(platform.clock.now()) {
        let hours = LIFE.as_hours();
        return Err(ApiError::gone(format!("This upload has ended: uploads are kept for {hours} hours. Upload the file again.")));
    }
    Ok(upload)
}

fn answer(upload: Upload) -> ApiResult<Json<UploadedPicture>> {
    let refusal = |code, message: String| Err(ApiError::unprocessable_media(message.clone()).field("file", code, message));
    match (upload.clean, upload.refused) {
        (Some(clean), _) => Ok(Json(UploadedPicture {
            id: upload.id.to_string(),
            content_type: clean.content_type,
            width: clean.width,
            height: clean.height,
            bytes: clean.bytes,
        })),
        (None, Some(refused)) => refusal(refused.flaw.code(), refused.message),
        (None, None) => {
            refusal("missing", "The file isn't there: send it to the address that began this upload, within 15 minutes.".to_owned())
        }
    }
}

/// Makes the picture and stores it, or says what is wrong with the file. The same file makes the same picture, whoever comes second.
async fn end_of(platform: &Platform, upload: &Upload, file: Bytes) -> ApiResult<Result<CleanPicture, Refused>> {
    let (announced, is_mask) = ((upload.bytes, upload.sha256.clone()), upload.purpose == Purpose::Mask);
    let head = file.slice(..file.len().min(codec::SNIFF_BYTES));
    let made = codec::aside(move || {
        let is_announced = (file.len() as u64, hex::encode(Sha256::digest(&file))) == announced;
        is_announced.then(|| codec::normalise(&file, is_mask)).transpose()
    });
    let clean = match made.await {
        Ok(Some(clean)) => clean,
        Ok(None) => return Ok(Err(not_as_announced())),
        Err(reason) => return Ok(Err(refused(&head, &reason))),
    };
    keep(platform, upload.id, clean).await.map(Ok).map_err(|error| ApiError::unavailable().source(error))
}

async fn keep(platform: &Platform, id: UploadId, clean: Clean) -> Result<CleanPicture, MediaError> {
    let (key, content_type) = (keys::upload_clean(id, clean.media_type), clean.media_type.content_type());
    let bytes = clean.bytes.len() as u64;
    platform.media.put(Bucket::Uploads, &key, content_type, Bytes::from(clean.bytes)).await?;
    Ok(CleanPicture { key, content_type: content_type.to_owned(), width: clean.width, height: clean.height, bytes })
}

fn not_as_announced() -> Refused {
    Refused {
        flaw: Flaw::NotAsAnnounced,
        message: "This isn't the file that was announced: its length or its SHA-256 is another.".to_owned(),
    }
}

fn refused(head: &[u8], reason: &Undecodable) -> Refused {
    let (flaw, message) = match reason {
        Undecodable::Type => {
            let found = MediaType::sniff(head).map_or("something else", MediaType::content_type);
            let message = format!("Only PNG, JPEG and WebP can be used; by its content, which is what counts, this file is {found}.");
            (Flaw::WrongType, message)
        }
        Undecodable::Size { width, height } => {
            let Bounds { pixels, side, .. } = Bounds::UPLOAD;
            let message = format!(
                "A picture has at least one pixel, at most {} megapixels and no side longer than {side}; this one is {width} × {height}.",
                pixels >> 20,
            );
            (Flaw::Dimensions, message)
        }
        Undecodable::Animated => (Flaw::Animated, "This is an animation; only a single picture can be used.".to_owned()),
        Undecodable::Bytes(_) | Undecodable::Damaged(_) => (Flaw::Damaged, "This file is cut off or damaged.".to_owned()),
    };
    Refused { flaw, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(content_type: &str, bytes: u64, sha256: &str) -> NewUpload {
        NewUpload { purpose: Purpose::Image, content_type: content_type.to_owned(), bytes, sha256: sha256.to_owned() }
    }

    #[test]
    fn only_what_can_be_decoded_later_is_given_a_place() {
        let good = "0f".repeat(32);
        let fields = |new: &NewUpload| -> Vec<String> {
            check(new).map(|_| Vec::new()).unwrap_or_else(|errors| errors.iter().map(|error| error.field.clone()).collect())
        };
        for content_type in ["image/png", "image/jpeg", "image/webp"] {
            assert!(fields(&new(content_type, 1, &good)).is_empty());
            assert!(fields(&new(content_type, 10_485_760, &good)).is_empty());
        }
        for content_type in ["image/gif", "image/avif", "image/svg+xml", "video/mp4", "text/html", "IMAGE/PNG", "image/png; q=1", ""] {
            assert_eq!(fields(&new(content_type, 1, &good)), ["content_type"], "{content_type}");
        }
        for bytes in [0, 10_485_761, u64::MAX] {
            assert_eq!(fields(&new("image/png", bytes, &good)), ["bytes"], "{bytes}");
        }
        for sha256 in ["", "0f", &"0F".repeat(32), &"0g".repeat(32), &"0f".repeat(33)] {
            assert_eq!(fields(&new("image/png", 1, sha256)), ["sha256"], "{sha256}");
        }
        assert_eq!(fields(&new("x", 0, "x")).len(), 3, "all at once");
    }

    #[test]
    fn a_refusal_says_the_rule_and_what_was_found() {
        let size = refused(b"", &Undecodable::Size { width: 5_000, height: 5_000 });
        assert!(size.message.contains("16 megapixels") && size.message.contains("5000 × 5000"), "{}", size.message);
        let gif = refused(b"GIF89a", &Undecodable::Type);
        assert!(gif.message.contains("PNG, JPEG and WebP") && gif.message.contains("image/gif"), "{}", gif.message);
        let unknown = refused(b"MZ", &Undecodable::Type);
        assert_eq!((unknown.flaw.code(), unknown.message.contains("something else")), ("wrong-type", true));
    }
}
