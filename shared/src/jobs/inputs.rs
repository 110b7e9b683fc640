//! The pictures that a request names: whether they can be used, and where the provider finds them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use codec::measures::{fitted, same_shape};
use futures_util::future::try_join;
use jiff::Timestamp;

use super::StepError;
use crate::db::{Db, DbError};
use crate::domain::asset::{Asset, AssetKind};
use crate::domain::fields::FieldErrors;
use crate::domain::generation::{Generation, Reason};
use crate::domain::model::Model;
use crate::domain::request::{END_FRAME, MASK, START_FRAME, ValidInputs};
use crate::domain::upload::{LIFE, Purpose, Upload, UploadState};
use crate::id::{AssetId, UploadId, UserId};
use crate::media::{Bucket, MediaError, MediaType};
use crate::provider::request::InputUrls;
use crate::runtime::Platform;

/// How long the provider may read an input: it must still be valid when a request that waited in its queue begins.
const READABLE: Duration = Duration::from_secs(3_600);
/// Pixels that are decoded to make a request's pictures smaller: four of 16 megapixels, which take two seconds of half a processor.
const MOST_TO_FIT: u64 = 64 << 20;

/// Why a request's pictures can't be used.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// They aren't there or don't suit the model; for the person to read.
    #[error("an input can't be used")]
    Fields(FieldErrors),
    /// They couldn't be looked up.
    #[error(transparent)]
    Table(#[from] DbError),
    /// They couldn't be read or written.
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// A picture that a request names, and the size in which its model gets it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The path of its field.
    pub(super) field: String,
    /// Of the upload or the asset.
    pub(super) id: String,
    pub(super) place: Place,
    /// In pixels, as it is.
    pub(super) size: (u32, u32),
    /// In pixels, as it is sent.
    pub(super) sent: (u32, u32),
}

/// Where a picture lies.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) bucket: Bucket,
    pub(super) key: String,
}

/// A complaint's code and its words.
type Complaint = (&'static str, String);

/// Looks up every picture that `inputs` names, and whether `model` takes it. Nothing is decoded.
///
/// # Errors
/// [`InputError`], with all that is wrong.
pub async fn check_inputs(platform: &Platform, user: UserId, model: &Model, inputs: &ValidInputs) -> Result<Vec<Picture>, InputError> {
    let found = Found::read(&platform.db, user, inputs).await?;
    let now = platform.clock.now();
    let mut errors = FieldErrors::new();
    let mut pictures = Vec::new();
    for (field, id) in inputs.pictures() {
        match found.new_source(&field, id, now) {
            Ok((place, size)) => {
                let sent = model.limits.max_side.map_or(size, |side| fitted(size.0, size.1, side));
                pictures.push(Picture { field, id: id.to_owned(), place, size, sent });
            }
            Err((code, message)) => errors.add(field, code, message),
        }
    }
    match_mask(&mut pictures, &mut errors);
    let too_small = |picture: &&Picture| model.limits.min_side.is_some_and(|least| picture.sent.0.min(picture.sent.1) < least);
    for picture in pictures.iter().filter(|picture| picture.field != MASK).filter(too_small) {
        let (least, (width, height)) = (model.limits.min_side.unwrap_or_default(), picture.sent);
        let message = format!("{} needs at least {least} pixels on the shorter side; this picture is {width} × {height}.", model.name);
        errors.add(&picture.field, "too-small", message);
    }
    let decoded = pictures.iter().filter(|picture| picture.size != picture.sent);
    let decoded: u64 = decoded.map(|picture| u64::from(picture.size.0) * u64::from(picture.size.1)).sum();
    if decoded > MOST_TO_FIT {
        let most = MOST_TO_FIT >> 20;
        let message = format!("These pictures have to be made smaller, and have more than {most} megapixels together. Use fewer.");
        errors.add("inputs.images", "too-large", message);
    }
    errors.finish(pictures).map_err(InputError::Fields)
}

/// A mask is sent exactly as large as the first image, whose shape it must have.
fn match_mask(pictures: &mut [Picture], errors: &mut FieldErrors) {
    let Some(image) = pictures.iter().find(|picture| picture.field == "inputs.images[0]").map(|picture| picture.sent) else { return };
    let Some(mask) = pictures.iter_mut().find(|picture| picture.field == MASK) else { return };
    if same_shape(mask.size, image) {
        mask.sent = image;
    } else {
        let ((w, h), (width, height)) = (mask.size, image);
        let message = format!("The mask must have the shape of the first image: it is {w} × {h}, the image {width} × {height}.");
        errors.add(MASK, "size-differs", message);
    }
}

/// The records behind the ids of a request. Uploads and assets share the form of their ids.
struct Found {
    uploads: BTreeMap<String, Upload>,
    assets: BTreeMap<String, Asset>,
}

impl Found {
    async fn read(db: &Db, user: UserId, inputs: &ValidInputs) -> Result<Self, DbError> {
        // Each once: a picture may be the first frame and the last.
        let ids: BTreeSet<&str> = inputs.pictures().map(|(_, id)| id).collect();
        let uploads: Vec<UploadId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let assets: Vec<AssetId> = ids.iter().filter_map(|id| id.parse().ok()).collect();
        let (uploads, assets) = try_join(db.uploads_by_id(user, &uploads), db.assets_by_id(user, &assets)).await?;
        Ok(Self {
            uploads: uploads.into_iter().map(|upload| (upload.id.to_string(), upload)).collect(),
            assets: assets.into_iter().map(|asset| (asset.id.to_string(), asset)).collect(),
        })
    }

    /// As [`Found::source`], with what only a new request has to keep to.
    fn new_source(&self, field: &str, id: &str, now: Timestamp) -> Result<(Place, (u32, u32)), Complaint> {
        let source = self.source(id, now)?;
        if field == MASK && self.uploads.get(id).is_none_or(|upload| upload.purpose != Purpose::Mask) {
            return Err(("not-a-mask", "This isn't a mask: a mask is uploaded, with the purpose \"mask\".".to_owned()));
        }
        if self.assets.get(id).is_some_and(|asset| asset.deleted_at.is_some()) {
            return Err(("in-trash", "This picture is in the trash; take it out of there first.".to_owned()));
        }
        Ok(source)
    }

    /// Where a picture is and how large, or why it is of no use.
    fn source(&self, id: &str, now: Timestamp) -> Result<(Place, (u32, u32)), Complaint> {
        if let Some(upload) = self.uploads.get(id) {
            return of_upload(upload, now);
        }
        let Some(asset) = self.assets.get(id) else {
            return Err(("not-found", "You have no such upload or picture.".to_owned()));
        };
        if asset.kind == AssetKind::Video {
            return Err(("wrong-type", "This is a video; only a picture can be used here.".to_owned()));
        }
        if !MediaType::from_content_type(&asset.content_type).is_some_and(MediaType::is_decodable) {
            return Err(("wrong-type", format!("Only PNG, JPEG and WebP can be used here; this is {}.", asset.content_type)));
        }
        Ok((Place { bucket: Bucket::Media, key: asset.key.clone() }, (asset.width, asset.height)))
    }
}

fn of_upload(upload: &Upload, now: Timestamp) -> Result<(Place, (u32, u32)), Complaint> {
    if upload.is_over(now) {
        let hours = LIFE.as_hours();
        return Err(("expired", format!("This upload has ended: uploads are kept for {hours} hours. Upload the file again.")));
    }
    match (upload.state, &upload.clean, &upload.refused) {
        (UploadState::Ready, Some(clean), _) => {
            Ok((Place { bucket: Bucket::Uploads, key: clean.key.clone() }, (clean.width, clean.height)))
        }
        (UploadState::Refused, _, Some(refused)) => Err((refused.flaw.code(), refused.message.clone())),
        _ => Err(("not-complete", format!("This upload isn't complete: send the file, then POST /api/v1/uploads/{}/complete.", upload.id))),
    }
}

/// Addresses of everything `generation` works from, or why one of them can't be used any more.
///
/// # Errors
/// [`StepError`] when the records can't be read.
pub(super) async fn addresses(platform: &Platform, generation: &Generation) -> Result<Result<InputUrls, Reason>, StepError> {
    let found = Found::read(&platform.db, generation.user, &generation.inputs).await?;
    let now = platform.clock.now();
    let mut urls = InputUrls::default();
    for (field, id) in generation.inputs.pictures() {
        let place = match generation.copies.get(&field) {
            Some(key) => (now < generation.created_at + LIFE).then(|| Place { bucket: Bucket::Uploads, key: key.clone() }),
            None => found.source(id, now).ok().map(|(place, _)| place),
        };
        let Some(place) = place else {
            let message = "An image it was to work from is no longer there.".to_owned();
            return Ok(Err(Reason { code: "input-gone".to_owned(), message }));
        };
        let url = platform.media.presign_get(place.bucket, &place.key, None, now, READABLE).await;
        let url = url.map_err(|e| StepError::Media(Box::new(e)))?;
        match field.as_str() {
            MASK => urls.mask = Some(url),
            START_FRAME => urls.start_frame = Some(url),
            END_FRAME => urls.end_frame = Some(url),
            _ => urls.images.push(url),
        }
    }
    Ok(Ok(urls))
}
