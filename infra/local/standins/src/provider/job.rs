//! What a model makes of a checked input: pictures or a film, as files in memory.

use super::fault::{Detail, Fault};
use super::schema::{Endpoint, Task};
use super::{schema, sizes};
use crate::draw::{self, Format, Scene};
use crate::video::{self, Shot, Subject};
use image::{DynamicImage, RgbImage};
use serde_json::{Map, Value, json};

/// Frames per second of models that don't say.
const DEFAULT_FPS: u32 = 24;
/// The names that models have for their source picture, for a mask and for a film's last frame.
pub(super) const IMAGES: &[&str] = &["image_url", "start_image_url", "first_frame_url"];
pub(super) const MASKS: &[&str] = &["mask_url", "mask_image_url"];
pub(super) const ENDS: &[&str] = &["end_image_url", "tail_image_url", "last_frame_url"];

/// Everything that a drawing thread needs.
pub(super) struct Job {
    pub(super) endpoint: &'static Endpoint,
    /// The checked input with its defaults.
    pub(super) input: Map<String, Value>,
    /// What is drawn and written into the corner.
    pub(super) prompt: String,
    pub(super) seed: u64,
    /// Whether a safety filter blackens the result.
    pub(super) black: bool,
    pub(super) sources: Sources,
}

/// The decoded source pictures.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) images: Vec<DynamicImage>,
    pub(super) mask: Option<DynamicImage>,
    pub(super) end: Option<DynamicImage>,
}

/// A finished picture or film.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) content_type: &'static str,
    pub(super) extension: &'static str,
}

impl Job {
    /// Makes all of it.
    ///
    /// # Errors
    /// What the model would refuse.
    pub(super) fn pieces(&self) -> Result<Vec<Piece>, Fault> {
        if self.endpoint.task.is_video() { Ok(vec![self.film()?]) } else { self.pictures() }
    }

    /// A text of the input.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.input.get(name).and_then(Value::as_str)
    }

    /// A switch of the input, off when it isn't there.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.input.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn source(&self) -> Result<&DynamicImage, Fault> {
        self.sources.images.first().ok_or_else(Fault::internal)
    }

    fn format(&self) -> Result<Format, Fault> {
        match self.text("output_format").or(self.endpoint.format.as_deref()) {
            Some("png") | None => Ok(Format::Png),
            Some("jpeg" | "jpg") => Ok(Format::Jpeg),
            Some("webp") => Ok(Format::Webp),
            Some(_) => {
                let detail = Detail::new(&[json!("output_format")], "feature_not_supported", "Not supported here");
                Err(Fault::invalid(detail.input(&self.input["output_format"])))
            }
        }
    }

    fn pictures(&self) -> Result<Vec<Piece>, Fault> {
        let format = self.format()?;
        let count = self.input.get("num_images").and_then(Value::as_u64).unwrap_or(1);
        let mut pieces = Vec::new();
        for i in 0..count {
            let seed = self.seed.wrapping_add(i);
            let drawn = match self.endpoint.task {
                Task::TextToImage => vec![self.text_to_image(seed)?],
                Task::ImageToImage => vec![self.image_to_image(seed)?],
                Task::Inpainting => vec![self.inpaint(seed)?],
                Task::Upscaling => vec![self.upscale()?],
                _ => self.cut_out()?,
            };
            for drawn in drawn {
                let picture = if self.black { DynamicImage::new_rgb8(drawn.width(), drawn.height()) } else { drawn };
                pieces.push(Piece {
                    bytes: draw::encode(&picture, format).map_err(internal)?,
                    width: picture.width(),
                    height: picture.height(),
                    content_type: format.content_type(),
                    extension: format.extension(),
                });
            }
        }
        Ok(pieces)
    }

    fn text_to_image(&self, seed: u64) -> Result<DynamicImage, Fault> {
        let (width, height) = sizes::picture(&self.input, None)?;
        let mut drawn = draw::picture(&self.prompt, seed, width, height);
        // Pictures that only set the style.
        draw::inset(&mut drawn, &self.sources.images).map_err(internal)?;
        Ok(DynamicImage::ImageRgb8(drawn))
    }

    fn image_to_image(&self, seed: u64) -> Result<DynamicImage, Fault> {
        if self.sources.mask.is_some() {
            return self.inpaint(seed);
        }
        let source = self.source()?;
        let (width, height) = sizes::picture(&self.input, Some((source.width(), source.height())))?;
        let base = draw::cover(source, width, height).map_err(internal)?.to_rgb8();
        #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
        let strength = self.input.get("strength").and_then(Value::as_f64).unwrap_or(0.7) as f32;
        let mut styled = draw::restyle(&base, &Scene::new(&self.prompt, seed), strength);
        draw::inset(&mut styled, self.sources.images.get(1..).unwrap_or_default()).map_err(internal)?;
        Ok(self.marked(styled))
    }

    fn inpaint(&self, seed: u64) -> Result<DynamicImage, Fault> {
        let (source, mask) = (self.source()?, self.sources.mask.as_ref().ok_or_else(Fault::internal)?);
        let (width, height) = (source.width(), source.height());
        if (width, height) != (mask.width(), mask.height()) {
            let name = MASKS.iter().find(|name| self.input.contains_key(**name)).copied().unwrap_or_default();
            let msg = "The image and the mask must have the same size";
            return Err(Fault::invalid(Detail::new(&[json!(name)], "value_error", msg)));
        }
        let new = if self.endpoint.has("prompt") {
            Scene::new(&self.prompt, seed).render(width, height, 0.0)
        } else {
            // To erase is to go on with what is around.
            let blurred = draw::resize(source, 12, 12).and_then(|small| draw::resize(&small, width, height));
            blurred.map_err(internal)?.to_rgb8()
        };
        let filled = self.marked(draw::inpaint(&source.to_rgb8(), &mask.to_luma8(), &new));
        if schema::image_size(self.input.get("image_size")).is_none() {
            return Ok(filled);
        }
        let (width, height) = sizes::picture(&self.input, None)?;
        draw::cover(&filled, width, height).map_err(internal)
    }

    fn upscale(&self) -> Result<DynamicImage, Fault> {
        let source = self.source()?;
        let (width, height) = sizes::upscaled(&self.input, (source.width(), source.height()))?;
        draw::resize(source, width, height).map_err(internal)
    }

    /// The picture without its background, and its mask where that is asked for.
    fn cut_out(&self) -> Result<Vec<DynamicImage>, Fault> {
        let (cut, mask) = draw::cutout(self.source()?).map_err(internal)?;
        let (cut, mask) = (DynamicImage::ImageRgba8(cut), DynamicImage::ImageLuma8(mask));
        if self.flag("mask_only") {
            return Ok(vec![mask]);
        }
        Ok(if self.flag("output_mask") { vec![cut, mask] } else { vec![cut] })
    }

    fn marked(&self, mut image: RgbImage) -> DynamicImage {
        draw::mark(&mut image, &self.prompt);
        DynamicImage::ImageRgb8(image)
    }

    fn film(&self) -> Result<Piece, Fault> {
        let shot = self.shot();
        let subject = match self.sources.images.first() {
            _ if self.black => Subject::Pictures { first: DynamicImage::new_rgb8(64, 64), last: None },
            Some(first) => Subject::Pictures { first: first.clone(), last: self.sources.end.clone() },
            None => Subject::Scene(Scene::new(&self.prompt, self.seed)),
        };
        let bytes = video::film(&subject, &self.prompt, shot).map_err(internal)?;
        Ok(Piece { bytes, width: shot.width, height: shot.height, content_type: "video/mp4", extension: "mp4" })
    }

    /// What the film is to be.
    pub(super) fn shot(&self) -> Shot {
        let source = self.sources.images.first().map(|image| (image.width(), image.height()));
        let (width, height) = sizes::film(self.text("resolution"), self.text("aspect_ratio"), source);
        let small = |value: &Value| value.as_u64().and_then(|value| u32::try_from(value).ok());
        let seconds = match self.input.get("duration") {
            Some(Value::String(text)) => text.trim_end_matches('s').parse().ok(),
            value => value.and_then(small),
        };
        Shot {
            width,
            height,
            fps: self.input.get("fps").and_then(small).unwrap_or(DEFAULT_FPS),
            seconds: seconds.unwrap_or(5),
            audio: self.flag("generate_audio"),
            // Models differ in where they put the index, and readers must cope with both.
            index_first: self.endpoint.task == Task::TextToVideo,
        }
    }
}

/// What should not happen: said to the operator, and to the caller as the model's own fault.
fn internal(error: impl std::error::Error + 'static) -> Fault {
    tracing::error!(error = &error as &dyn std::error::Error, "A sample could not be made.");
    Fault::internal()
}
