//! What a link leads to, if it leads anywhere now.

use jiff::Timestamp;
use shared::db::DbError;
use shared::domain::asset::{Asset, AssetKind, Thumbnail};
use shared::domain::link::{Link, LinkState, Opens, is_key};
use shared::domain::user::Status;
use shared::http::Visitor;
use shared::http::arrival::WRONG_LINKS;
use shared::runtime::Platform;

use crate::answer::Refusal;

/// Seconds for which a picture's address opens it.
pub(crate) const STILL_LIFE: i64 = 60;
/// Seconds that a film's address lasts beyond the film, for pauses.
const FILM_PAUSE: i64 = 300;

/// A link that is live, with the asset that it shows.
pub(crate) struct Target {
    pub(crate) link: Link,
    pub(crate) asset: Asset,
}

impl Target {
    pub(crate) fn is_film(&self) -> bool {
        self.asset.kind == AssetKind::Video
    }

    /// The largest still picture of it.
    pub(crate) fn poster(&self) -> Option<&Thumbnail> {
        self.asset.thumbnails.iter().max_by_key(|thumbnail| u64::from(thumbnail.width) * u64::from(thumbnail.height))
    }

    /// Seconds for which the original's address opens it.
    pub(crate) fn life(&self) -> i64 {
        let length = self.asset.duration_ms.map(|ms| i64::try_from(ms.div_ceil(1_000)).unwrap_or(0));
        if self.is_film() { length.unwrap_or(0) + FILM_PAUSE } else { STILL_LIFE }
    }

    /// The same link, opened as a file.
    pub(crate) fn into_file(self) -> Self {
        Self { link: Link { opens: Opens::File, ..self.link }, ..self }
    }
}

/// Why a link leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nowhere {
    /// There never was one, as far as is known.
    Unknown,
    /// It has ended, is off, or what it showed is gone.
    Ended,
}

/// The target of the link at `key`. Whoever has tried too many keys that lead nowhere is told nothing about this one either.
pub(crate) async fn find(platform: &Platform, visitor: &Visitor, key: &str) -> Result<Target, Refusal> {
    let now = platform.clock.now();
    let allowed = async { visitor.check(&platform.db, WRONG_LINKS, now).await.map_err(Refusal::from) };
    let looked = async { look(platform, key).await.map_err(Refusal::from) };
    let ((), found) = tokio::try_join!(allowed, looked)?;
    if matches!(found, Err(Nowhere::Unknown)) {
        visitor.take(&platform.db, WRONG_LINKS, now).await?;
    }
    found.map_err(Refusal::from)
}

/// As [`find`], with the reason apart from failures. The owner's record is read because suspending somebody ends their links too.
pub(crate) async fn look(platform: &Platform, key: &str) -> Result<Result<Target, Nowhere>, DbError> {
    if !is_key(key) {
        return Ok(Err(Nowhere::Unknown));
    }
    let Some(link) = platform.db.link(key).await? else { return Ok(Err(Nowhere::Unknown)) };
    if !is_live(&link, platform.clock.now()) {
        return Ok(Err(Nowhere::Ended));
    }
    let (asset, owner) = tokio::try_join!(platform.db.asset(link.user, link.asset), platform.db.user(link.user))?;
    let active = owner.is_some_and(|owner| owner.status == Status::Active);
    Ok(asset.filter(|asset| active && asset.deleted_at.is_none()).map(|asset| Target { link, asset }).ok_or(Nowhere::Ended))
}

fn is_live(link: &Link, now: Timestamp) -> bool {
    link.state(now) == LinkState::Live
}
