//! One run: check the input, fetch its sources, draw, write the files, and say so in the model's own shape.

use super::fault::{Detail, Fault};
use super::schema::{self, Endpoint, Output, Task, Unit};
use super::sentinel::{self, Sentinel, Sentinels};
use super::store::Request;
use super::{Inner, files, inputs};
use crate::draw::{self, Format, Scene};
use crate::video::{self, Shot, Subject};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, RgbImage};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;

/// Largest picture made, in pixels: what a quarter of a gigabyte holds.
const MAX_AREA: u64 = 8_192 * 8_192;
/// Longest side of an edited picture whose size the input leaves open.
const MAX_EDIT_SIDE: u32 = 2_048;
/// Frames per second of models that don't say.
const DEFAULT_FPS: u32 = 24;

/// What a run has made.
pub(super) struct Made {
    /// The model's output; file addresses begin with `/files/`.
    pub(super) output: Value,
    /// What is billed; none for models billed by time.
    pub(super) units: Option<f64>,
    pub(super) files: Vec<MadeFile>,
}

/// A file on disk that the store doesn't know yet.
pub(super) struct MadeFile {
    pub(super) token: String,
    pub(super) name: String,
    pub(super) content_type: &'static str,
}

/// Everything that a drawing thread needs.
struct Job {
    endpoint: &'static Endpoint,
    input: Map<String, Value>,
    prompt: String,
    seed: u64,
    black: bool,
    sources: Sources,
    dir: PathBuf,
}

/// The decoded source pictures.
#[derive(Default)]
struct Sources {
    images: Vec<DynamicImage>,
    mask: Option<DynamicImage>,
    end: Option<DynamicImage>,
}

/// A picture or film before it is a file.
struct Piece {
    bytes: Vec<u8>,
    width: u32,
    height: u32,
    content_type: &'static str,
    extension: &'static str,
}

/// Runs a request.
pub(super) async fn make(
    inner: &Inner,
    request: &Request,
    body: &Value,
    sentinels: &Sentinels,
) -> Result<Made, Fault> {
    let endpoint = schema::endpoint(&request.endpoint).ok_or_else(Fault::internal)?;
    let input = endpoint.check(body).map_err(|details| Fault::Model {
        status: 422,
        details,
    })?;
    forced(sentinels, body)?;
    let sources = fetch(inner, &input).await?;
    let job = Job {
        endpoint,
        prompt: prompt(&input),
        input,
        seed: request.seed,
        black: sentinels.has(Sentinel::MediaBlack),
        sources,
        dir: inner.files_dir(),
    };
    let permit = Arc::clone(&inner.drawing)
        .acquire_owned()
        .await
        .map_err(|_| Fault::internal())?;
    let drawn = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        if job.endpoint.task.is_video() {
            job.film()
        } else {
            job.pictures()
        }
    });
    drawn.await.map_err(|_| Fault::internal())?
}

/// The failures that a prompt can ask for.
fn forced(sentinels: &Sentinels, body: &Value) -> Result<(), Fault> {
    use Sentinel::{FailContentPolicy, FailRunner, FailServer, FailTimeout, FailValidation};
    let path = [json!("prompt")];
    let model = |status, kind, msg: &str| Fault::Model {
        status,
        details: vec![Detail::new(&path, kind, msg).input(&body["prompt"])],
    };
    match sentinels.first(&[
        FailContentPolicy,
        FailValidation,
        FailServer,
        FailRunner,
        FailTimeout,
    ]) {
        None => Ok(()),
        Some(FailContentPolicy) => Err(model(
            422,
            "content_policy_violation",
            "The content was flagged by a content checker.",
        )),
        Some(FailValidation) => Err(model(
            422,
            "value_error",
            "The prompt was asked to be wrong.",
        )),
        Some(FailRunner) => Err(Fault::Request {
            status: 503,
            error_type: "runner_disconnected",
            detail: "Runner disconnected",
        }),
        Some(FailTimeout) => Err(Fault::Model {
            status: 504,
            details: vec![Detail::new(&[], "generation_timeout", "Generation timeout")],
        }),
        Some(_) => Err(Fault::internal()),
    }
}

async fn fetch(inner: &Inner, input: &Map<String, Value>) -> Result<Sources, Fault> {
    let mut sources = Sources::default();
    for name in ["image_url", "start_image_url", "mask_url", "end_image_url"] {
        if let Some(url) = input.get(name) {
            let picture = inputs::picture(&inner.fetch, url, &[json!(name)]).await?;
            match name {
                "mask_url" => sources.mask = Some(picture),
                "end_image_url" => sources.end = Some(picture),
                _ => sources.images.push(picture),
            }
        }
    }
    for (i, url) in input
        .get("image_urls")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        sources
            .images
            .push(inputs::picture(&inner.fetch, url, &[json!("image_urls"), json!(i)]).await?);
    }
    Ok(sources)
}

/// What is drawn: the prompt, or the first of several, without what was said to the stand-in itself.
fn prompt(input: &Map<String, Value>) -> String {
    let shots = input
        .get("multi_prompt")
        .and_then(|shots| shots.get(0))
        .and_then(|shot| shot.get("prompt"));
    sentinel::without(
        input
            .get("prompt")
            .or(shots)
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )
}

impl Job {
    fn text(&self, name: &str) -> Option<&str> {
        self.input.get(name).and_then(Value::as_str)
    }

    fn flag(&self, name: &str) -> bool {
        self.input
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.input.get(name).and_then(Value::as_f64)
    }

    fn source(&self) -> Result<&DynamicImage, Fault> {
        self.sources.images.first().ok_or_else(Fault::internal)
    }

    fn format(&self) -> Result<Format, Fault> {
        match self.text("output_format") {
            Some("png") => Ok(Format::Png),
            Some("jpeg") => Ok(Format::Jpeg),
            Some("webp") => Ok(Format::Webp),
            None if self.endpoint.output == Output::Files => Ok(Format::Webp),
            None => Ok(Format::Png),
            Some(_) => {
                let detail = Detail::new(
                    &[json!("output_format")],
                    "feature_not_supported",
                    "Not supported here",
                );
                Err(Fault::invalid(detail.input(&self.input["output_format"])))
            }
        }
    }

    fn pictures(&self) -> Result<Made, Fault> {
        let format = self.format()?;
        let count = self
            .input
            .get("num_images")
            .and_then(Value::as_u64)
            .unwrap_or(1);
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
            for picture in drawn {
                let picture = if self.black {
                    DynamicImage::new(picture.width(), picture.height(), picture.color())
                } else {
                    picture
                };
                pieces.push(Piece {
                    bytes: draw::encode(&picture, format).map_err(|_| Fault::internal())?,
                    width: picture.width(),
                    height: picture.height(),
                    content_type: format.content_type(),
                    extension: format.extension(),
                });
            }
        }
        self.answer(&pieces)
    }

    fn text_to_image(&self, seed: u64) -> Result<DynamicImage, Fault> {
        let (width, height) =
            schema::image_size(self.input.get("image_size")).unwrap_or((1024, 1024));
        fits(width, height, "image_size")?;
        Ok(DynamicImage::ImageRgb8(draw::picture(
            &self.prompt,
            seed,
            width,
            height,
        )))
    }

    fn image_to_image(&self, seed: u64) -> Result<DynamicImage, Fault> {
        let source = self.source()?;
        let (width, height) =
            schema::image_size(self.input.get("image_size")).unwrap_or_else(|| {
                let shrink =
                    f64::from(source.width().max(source.height())) / f64::from(MAX_EDIT_SIDE);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "smaller than the source's side"
                )]
                let side = |pixels: u32| ((f64::from(pixels) / shrink.max(1.0)) as u32).max(1);
                (side(source.width()), side(source.height()))
            });
        fits(width, height, "image_size")?;
        let base = draw::cover(source, width, height)
            .map_err(|_| Fault::internal())?
            .to_rgb8();
        #[expect(clippy::cast_possible_truncation, reason = "a share between 0 and 1")]
        let strength = self.number("strength").unwrap_or(0.7) as f32;
        let mut styled = draw::restyle(&base, &Scene::new(&self.prompt, seed), strength);
        draw::inset(
            &mut styled,
            self.sources.images.get(1..).unwrap_or_default(),
        )
        .map_err(|_| Fault::internal())?;
        Ok(self.marked(styled))
    }

    fn inpaint(&self, seed: u64) -> Result<DynamicImage, Fault> {
        let (source, mask) = (
            self.source()?,
            self.sources.mask.as_ref().ok_or_else(Fault::internal)?,
        );
        if (source.width(), source.height()) != (mask.width(), mask.height()) {
            let msg = "The image and the mask must have the same size";
            return Err(Fault::invalid(Detail::new(
                &[json!("mask_url")],
                "value_error",
                msg,
            )));
        }
        let filled = draw::inpaint(
            &source.to_rgb8(),
            &mask.to_luma8(),
            &Scene::new(&self.prompt, seed),
        );
        Ok(self.marked(filled))
    }

    fn upscale(&self) -> Result<DynamicImage, Fault> {
        let source = self.source()?;
        let factor = self.number("upscale_factor").unwrap_or(2.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and `fits` says no"
        )]
        let side = |pixels: u32| (f64::from(pixels) * factor).round() as u32;
        let (width, height) = (side(source.width()), side(source.height()));
        fits(width, height, "image_url")?;
        draw::resize(source, width, height).map_err(|_| Fault::internal())
    }

    fn cut_out(&self) -> Result<Vec<DynamicImage>, Fault> {
        let (cut, mask) = draw::cutout(self.source()?).map_err(|_| Fault::internal())?;
        let (cut, mask) = (
            DynamicImage::ImageRgba8(cut),
            DynamicImage::ImageLuma8(mask),
        );
        if self.flag("mask_only") {
            return Ok(vec![mask]);
        }
        Ok(if self.flag("output_mask") {
            vec![cut, mask]
        } else {
            vec![cut]
        })
    }

    fn marked(&self, mut image: RgbImage) -> DynamicImage {
        draw::mark(&mut image, &self.prompt);
        DynamicImage::ImageRgb8(image)
    }

    fn film(&self) -> Result<Made, Fault> {
        let shot = self.shot();
        let subject = match self.sources.images.first() {
            Some(_) if self.black => Subject::Pictures {
                first: DynamicImage::new_rgb8(64, 64),
                last: None,
            },
            None if self.black => Subject::Pictures {
                first: DynamicImage::new_rgb8(64, 64),
                last: None,
            },
            Some(first) => Subject::Pictures {
                first: first.clone(),
                last: self.sources.end.clone(),
            },
            None => Subject::Scene(Scene::new(&self.prompt, self.seed)),
        };
        let bytes = video::film(&subject, &self.prompt, shot).map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "A sample film could not be made."
            );
            Fault::internal()
        })?;
        let piece = Piece {
            bytes,
            width: shot.width,
            height: shot.height,
            content_type: "video/mp4",
            extension: "mp4",
        };
        self.answer(&[piece])
    }

    fn shot(&self) -> Shot {
        let source = self
            .sources
            .images
            .first()
            .map(|image| (image.width(), image.height()));
        let (width, height) = film_size(self.text("resolution"), self.text("aspect_ratio"), source);
        let seconds = match self.input.get("duration") {
            Some(Value::String(text)) => text.trim_end_matches('s').parse().ok(),
            Some(value) => value
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok()),
            None => None,
        };
        let fps = self
            .input
            .get("fps")
            .and_then(Value::as_u64)
            .and_then(|fps| u32::try_from(fps).ok());
        Shot {
            width,
            height,
            fps: fps.unwrap_or(DEFAULT_FPS),
            seconds: seconds.unwrap_or(5),
            audio: self.flag("generate_audio"),
            // Models differ in where they put the index, and readers must cope with both.
            index_first: self.endpoint.task == Task::TextToVideo,
        }
    }

    /// Writes the pieces and describes them.
    fn answer(&self, pieces: &[Piece]) -> Result<Made, Fault> {
        let mut files = Vec::new();
        let mut described = Vec::new();
        for piece in pieces {
            let (file, value) = self.keep(piece).inspect_err(|_| {
                files::remove(&self.dir, files.drain(..).map(|file: MadeFile| file.token));
            })?;
            files.extend(file);
            described.push(value);
        }
        let units = match self.endpoint.unit {
            Unit::Megapixels => Some(pieces.iter().map(megapixels).sum()),
            Unit::Images | Unit::Units => Some(f64::from(u32::try_from(pieces.len()).unwrap_or(0))),
            Unit::Seconds => Some(f64::from(self.shot().seconds)),
            Unit::ComputeSeconds => None,
        };
        let output = match self.endpoint.output {
            Output::Flux => json!({
                "images": described,
                "timings": { "inference": 0.0 },
                "seed": self.seed,
                "has_nsfw_concepts": vec![self.black; pieces.len()],
                "prompt": self.text("prompt").unwrap_or_default(),
            }),
            Output::Images | Output::Files => json!({ "images": described }),
            Output::Video | Output::VideoFile => json!({ "video": described.first() }),
            Output::Image => {
                let mut output = json!({ "image": described.first() });
                if let Some(mask) = described.get(1) {
                    output["mask_image"] = mask.clone();
                }
                if self.endpoint.has("seed") {
                    output["seed"] = json!(self.seed);
                    output["timings"] = json!({ "inference": 0.0 });
                }
                output
            }
        };
        Ok(Made {
            output,
            units,
            files,
        })
    }

    fn keep(&self, piece: &Piece) -> Result<(Option<MadeFile>, Value), Fault> {
        if self.flag("sync_mode") {
            let url = format!(
                "data:{};base64,{}",
                piece.content_type,
                STANDARD.encode(&piece.bytes)
            );
            return Ok((None, self.describe(piece, &url, "")));
        }
        let token = files::write(&self.dir, &piece.bytes).map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "A sample could not be written."
            );
            Fault::internal()
        })?;
        let name = format!("{}.{}", &token[..12], piece.extension);
        let value = self.describe(piece, &format!("/files/{token}/{name}"), &name);
        Ok((
            Some(MadeFile {
                token,
                name,
                content_type: piece.content_type,
            }),
            value,
        ))
    }

    fn describe(&self, piece: &Piece, url: &str, name: &str) -> Value {
        let mut value = json!({
            "url": url,
            "content_type": piece.content_type,
            "file_name": name,
            "file_size": piece.bytes.len(),
        });
        if !matches!(self.endpoint.output, Output::Files | Output::Video) {
            value["width"] = json!(piece.width);
            value["height"] = json!(piece.height);
        }
        if self.endpoint.output == Output::VideoFile {
            let shot = self.shot();
            value["fps"] = json!(shot.fps);
            value["duration"] = json!(shot.seconds);
            value["num_frames"] = json!(shot.fps * shot.seconds);
        }
        value
    }
}

/// Refuses what would not fit into memory.
fn fits(width: u32, height: u32, name: &str) -> Result<(), Fault> {
    if u64::from(width) * u64::from(height) <= MAX_AREA {
        return Ok(());
    }
    let detail = Detail::new(&[json!(name)], "image_too_large", "The image is too large");
    Err(Fault::invalid(
        detail.ctx(json!({ "max_height": 8192, "max_width": 8192 })),
    ))
}

/// Megapixels, each begun one counted.
fn megapixels(piece: &Piece) -> f64 {
    (f64::from(piece.width) * f64::from(piece.height) / 1e6).ceil()
}

/// A film's size, both sides even. Without a ratio, or with `auto`, the source decides; without a resolution it is 720p.
fn film_size(
    resolution: Option<&str>,
    ratio: Option<&str>,
    source: Option<(u32, u32)>,
) -> (u32, u32) {
    let short = match resolution {
        Some("480p") => 480,
        Some("1080p") => 1080,
        Some("1440p") => 1440,
        Some("2160p" | "4k") => 2160,
        _ => 720,
    };
    let named = ratio
        .and_then(|ratio| ratio.split_once(':'))
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    let (w, h): (u32, u32) = match (named, ratio, source) {
        (Some(named), _, _) => named,
        // Only the two usual shapes are offered where a ratio is.
        (None, Some(_), Some((w, h))) => {
            if w >= h {
                (16, 9)
            } else {
                (9, 16)
            }
        }
        (None, None, Some(source)) => source,
        _ => (16, 9),
    };
    let ratio = (f64::from(w.max(h)) / f64::from(w.min(h).max(1))).min(2.5);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 2.5 times 2160"
    )]
    let long = (f64::from(short) * ratio / 2.0).round() as u32 * 2;
    if w >= h { (long, short) } else { (short, long) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_have_the_asked_shape() {
        for (resolution, ratio, source, size) in [
            (Some("720p"), Some("16:9"), None, (1280, 720)),
            (Some("1080p"), Some("9:16"), None, (1080, 1920)),
            (Some("4k"), Some("16:9"), None, (3840, 2160)),
            (Some("1080p"), Some("auto"), Some((500, 800)), (1080, 1920)),
            (None, None, Some((1024, 1024)), (720, 720)),
            (None, None, Some((1000, 750)), (960, 720)),
            (None, None, Some((9000, 10)), (1800, 720)),
            (None, None, None, (1280, 720)),
        ] {
            assert_eq!(film_size(resolution, ratio, source), size);
        }
    }
}
