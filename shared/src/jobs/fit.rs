//! Pictures in the size that a model takes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::inputs::{InputError, Picture};
use crate::domain::fields::FieldErrors;
use crate::domain::request::MASK;
use crate::media::store::MAX_IMAGE;
use crate::media::{Bucket, MediaError, codec, keys};
use crate::runtime::Platform;

/// Makes copies of those of `pictures` that are sent in another size than they have; their keys in the uploads bucket by the paths
/// of their fields, for [`Generation::copies`](crate::domain::generation::Generation::copies). One at a time: each takes room.
///
/// # Errors
/// [`InputError`].
pub async fn fit_inputs(platform: &Platform, pictures: &[Picture]) -> Result<BTreeMap<String, String>, InputError> {
    let mut copies = BTreeMap::new();
    for picture in pictures.iter().filter(|picture| picture.size != picture.sent) {
        let refused = |code, message: &str| InputError::Fields(FieldErrors::one(&picture.field, code, message));
        let bytes = match platform.media.get(picture.place.bucket, &picture.place.key, MAX_IMAGE).await {
            Err(MediaError::NotFound) => return Err(refused("not-found", "This picture is no longer there.")),
            other => other?,
        };
        let (is_mask, (width, height)) = (picture.field == MASK, picture.sent);
        let work = move || if is_mask { codec::fit_mask(&bytes, width, height) } else { codec::fit(&bytes, width.max(height)) };
        let made = codec::aside(work).await.map_err(|_| refused("damaged", "This picture can't be decoded."))?;
        // Nothing is made of one that fits: its record was wrong, and its bytes are right.
        let Some(made) = made else { continue };
        let key = keys::fitted(&picture.id, made.width, made.height, made.media_type);
        platform.media.put(Bucket::Uploads, &key, made.media_type.content_type(), Bytes::from(made.bytes)).await?;
        copies.insert(picture.field.clone(), key);
    }
    Ok(copies)
}
