//! What a user may do in a month, a day, an hour and at once.

use serde::{Deserialize, Serialize};

/// A user's limits. A user's record may replace the configured ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Units a calendar month (UTC). An image usually takes one, a video several.
    pub monthly: u32,
    /// Outputs asked for in a calendar day (UTC).
    pub daily: u32,
    /// Requests to generate in a clock hour.
    pub hourly: u32,
    /// Provider calls that run at once; more wait in line.
    pub concurrent: u32,
    /// Of those, how many may make a video.
    pub concurrent_videos: u32,
}

impl Limits {
    /// The product's defaults.
    pub const DEFAULT: Self = Self { monthly: 500, daily: 50, hourly: 100, concurrent: 3, concurrent_videos: 1 };
}
