//! What bytes are and what is in them: types, measures, pictures and videos. Nothing here reads or writes anything but memory.
//!
//! A crate of its own, because it is what a development build optimises: pixels crawl without, and the rest of `shared` would take
//! minutes to compile.
//!
//! Decoding and encoding is work for a processor, 20 to 200 ms at a time: call it from `spawn_blocking`, or through [`aside`].
//! Nothing is decoded before its header was checked, and nothing that is stored keeps the metadata of what it was made from.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't set up should stop"))]

#[cfg(feature = "pixels")]
mod aside;
#[cfg(feature = "pixels")]
mod decode;
#[cfg(feature = "pixels")]
mod jpeg;
pub mod measures;
mod sniff;
#[cfg(feature = "pixels")]
mod thumbnail;
#[cfg(feature = "pixels")]
mod upload;
pub mod video;

#[cfg(feature = "pixels")]
pub use aside::aside;
#[cfg(feature = "pixels")]
pub use decode::{Bounds, Header, Undecodable, check};
pub use sniff::{MediaType, SNIFF_BYTES};
#[cfg(feature = "pixels")]
pub use thumbnail::{BOXES, Thumbnails, Webp, thumbnails, thumbnails_of_pixels};
#[cfg(feature = "pixels")]
pub use upload::{Clean, fit, fit_mask, normalise};

#[cfg(all(test, feature = "pixels"))]
mod tests;
