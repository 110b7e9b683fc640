//! Pixels into files.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageEncoder};

/// The file formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Jpeg,
    Webp,
}

impl Format {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("the picture can't be encoded")]
    Image(#[source] image::ImageError),
    #[error("the picture can't be encoded as WebP ({0})")]
    Webp(String),
}

/// The file of `image`; JPEG drops transparency.
pub(crate) fn encode(image: &DynamicImage, format: Format) -> Result<Vec<u8>, EncodeError> {
    let mut file = Vec::new();
    match format {
        Format::Png => {
            // Smooth pictures shrink well with the plain difference to the left, the cheapest filter there is.
            let encoder = PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Sub);
            encoder.write_image(image.as_bytes(), image.width(), image.height(), image.color().into()).map_err(EncodeError::Image)?;
        }
        Format::Jpeg => {
            JpegEncoder::new_with_quality(&mut file, 90).encode_image(&image.to_rgb8()).map_err(EncodeError::Image)?;
        }
        Format::Webp => {
            let rgba;
            let rgb;
            let encoder = if image.color().has_alpha() {
                rgba = image.to_rgba8();
                webp::Encoder::from_rgba(&rgba, image.width(), image.height())
            } else {
                rgb = image.to_rgb8();
                webp::Encoder::from_rgb(&rgb, image.width(), image.height())
            };
            let mut config = webp::WebPConfig::new().map_err(|()| EncodeError::Webp("no configuration".to_owned()))?;
            config.quality = 85.0;
            config.method = 2; // Half the time of the default for a few per cent more bytes.
            let memory = encoder.encode_advanced(&config).map_err(|error| EncodeError::Webp(format!("{error:?}")))?;
            file.extend_from_slice(&memory);
        }
    }
    Ok(file)
}
