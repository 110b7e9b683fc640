//! Decoding within bounds, thumbnails, and pictures that people bring.
//!
//! Everything here is work for a processor, 20 to 200 ms at a time: call it from `spawn_blocking`. Nothing is decoded before its header was
//! checked, and nothing that is stored keeps the metadata of what it was made from.

mod decode;
mod jpeg;
mod thumbnail;
mod upload;

pub use decode::{Bounds, Header, Undecodable, check};
#[cfg(feature = "video")]
pub(super) use thumbnail::fitted;
pub use thumbnail::{BOXES, Thumbnails, Webp, thumbnails, thumbnails_of_pixels};
pub use upload::{Clean, fit, fit_mask, normalise};

#[cfg(test)]
mod tests;
