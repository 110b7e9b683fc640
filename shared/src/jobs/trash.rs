//! Emptying the trash: what has been in it for 30 days goes for good, with its links and its objects.
//!
//! The entry in the trash's list is the open work, and goes last: interrupted anywhere, the next look goes on.

use jiff::{SignedDuration, Timestamp};

use super::StepError;
use crate::db::links::MOST;
use crate::id::{AssetId, UserId};
use crate::media::{Bucket, keys as objects};
use crate::runtime::Platform;

/// Links that are ended together.
const PAGE: i32 = 25;
/// When an entry is looked at again whose look was interrupted.
const AGAIN: SignedDuration = SignedDuration::from_mins(15);

/// Deletes an asset whose time in the trash is over.
pub(super) async fn empty_trash(platform: &Platform, user: UserId, id: AssetId, now: Timestamp) -> Result<(), StepError> {
    let db = &platform.db;
    let Some(owner) = db.user(user).await? else { return Ok(()) };
    db.postpone_trash(user, id, now + AGAIN).await?;
    if let Some(asset) = db.asset(user, id).await? {
        let Some(since) = asset.deleted_at else { return Ok(()) };
        let due = since + SignedDuration::from_secs(platform.config.deadlines.trash);
        if now < due {
            return Ok(db.postpone_trash(user, id, due).await?);
        }
        // As many as somebody can have, all to one asset.
        for _ in 0..=MOST / PAGE.unsigned_abs() {
            let (links, _) = db.links_of_asset(user, id, None, PAGE).await?;
            if links.is_empty() {
                break;
            }
            for link in links {
                db.end_link(user, &link, now).await?;
            }
        }
        // Taken out in this moment: it stays, without the links.
        if !db.delete_trashed(&asset).await? {
            return Ok(());
        }
    }
    while platform.media.delete_below(Bucket::Media, &objects::asset_folder(&owner.media_prefix, id)).await? {}
    Ok(db.leave_trash(user, id).await?)
}
