//! One run: check the input, fetch its sources, draw, write the files, and say so in the model's own shape.

use super::fault::{Detail, Fault};
use super::job::{ENDS, IMAGES, Job, MASKS, Piece, Sources};
use super::schema::{self, Shape, Unit};
use super::sentinel::{self, Sentinel, Sentinels};
use super::store::Request;
use super::{Inner, files, inputs};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;

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

/// Runs a request.
pub(super) async fn make(inner: &Inner, request: &Request, body: &Value, sentinels: &Sentinels) -> Result<Made, Fault> {
    let endpoint = schema::endpoint(&request.endpoint).ok_or_else(Fault::internal)?;
    let input = endpoint.check(body).map_err(|details| Fault::Model { status: 422, details })?;
    forced(sentinels, body)?;
    let sources = fetch(inner, &input).await?;
    let (prompt, seed, black) = (prompt(&input), request.seed, sentinels.has(Sentinel::MediaBlack));
    let job = Job { endpoint, input, prompt, seed, black, sources };
    let dir = inner.files_dir();
    let permit = Arc::clone(&inner.drawing).acquire_owned().await.map_err(|_| Fault::internal())?;
    let drawn = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        answer(&job, &job.pieces()?, &dir)
    });
    drawn.await.map_err(|_| Fault::internal())?
}

/// The failures that a prompt can ask for.
fn forced(sentinels: &Sentinels, body: &Value) -> Result<(), Fault> {
    use Sentinel::{FailContentPolicy, FailRunner, FailServer, FailTimeout, FailValidation};
    let path = [json!("prompt")];
    let model = |status, kind, msg: &str| Fault::Model { status, details: vec![Detail::new(&path, kind, msg).input(&body["prompt"])] };
    match sentinels.first(&[FailContentPolicy, FailValidation, FailServer, FailRunner, FailTimeout]) {
        None => Ok(()),
        Some(FailContentPolicy) => Err(model(422, "content_policy_violation", "The content was flagged by a content checker.")),
        Some(FailValidation) => Err(model(422, "value_error", "The prompt was asked to be wrong.")),
        Some(FailRunner) => Err(Fault::Request { status: 503, error_type: "runner_disconnected", detail: "Runner disconnected" }),
        Some(FailTimeout) => Err(Fault::Model { status: 504, details: vec![Detail::new(&[], "generation_timeout", "Generation timeout")] }),
        Some(_) => Err(Fault::internal()),
    }
}

async fn fetch(inner: &Inner, input: &Map<String, Value>) -> Result<Sources, Fault> {
    let mut sources = Sources::default();
    for name in IMAGES.iter().chain(MASKS).chain(ENDS).copied() {
        if let Some(url) = input.get(name) {
            let picture = inputs::picture(&inner.fetch, url, &[json!(name)]).await?;
            if MASKS.contains(&name) {
                sources.mask = Some(picture);
            } else if ENDS.contains(&name) {
                sources.end = Some(picture);
            } else {
                sources.images.push(picture);
            }
        }
    }
    for (i, url) in input.get("image_urls").and_then(Value::as_array).into_iter().flatten().enumerate() {
        sources.images.push(inputs::picture(&inner.fetch, url, &[json!("image_urls"), json!(i)]).await?);
    }
    Ok(sources)
}

/// What is drawn: the prompt, or the first of several, without what was said to the stand-in itself.
fn prompt(input: &Map<String, Value>) -> String {
    let shots = input.get("multi_prompt").and_then(|shots| shots.get(0)).and_then(|shot| shot.get("prompt"));
    sentinel::without(input.get("prompt").or(shots).and_then(Value::as_str).unwrap_or_default())
}

/// Writes the pieces and describes them.
fn answer(job: &Job, pieces: &[Piece], dir: &Path) -> Result<Made, Fault> {
    let mut files = Vec::new();
    let mut described = Vec::new();
    for piece in pieces {
        let (file, value) = keep(job, piece, dir).inspect_err(|_| {
            files::remove(dir, files.drain(..).map(|file: MadeFile| file.token));
        })?;
        files.extend(file);
        described.push(value);
    }
    let units = match job.endpoint.unit {
        Unit::Megapixels => Some(pieces.iter().map(megapixels).sum()),
        Unit::Images | Unit::Units => Some(f64::from(u32::try_from(pieces.len()).unwrap_or(0))),
        Unit::Seconds => Some(f64::from(job.shot().seconds)),
        Unit::ComputeSeconds => None,
    };
    let mut output = Map::new();
    for name in job.endpoint.output.keys() {
        let value = match name.as_str() {
            "images" => json!(described),
            "image" | "video" => json!(described.first()),
            "mask_image" => match described.get(1) {
                Some(mask) => mask.clone(),
                None => continue,
            },
            "timings" => json!({ "inference": 0.0 }),
            "seed" => json!(job.seed),
            "has_nsfw_concepts" => json!(vec![job.black; pieces.len()]),
            "prompt" | "actual_prompt" => json!(job.text("prompt").unwrap_or_default()),
            "description" => json!(""),
            _ => continue,
        };
        output.insert(name.clone(), value);
    }
    Ok(Made { output: Value::Object(output), units, files })
}

/// Puts a piece into the folder, or into its own address where the caller wants that.
fn keep(job: &Job, piece: &Piece, dir: &Path) -> Result<(Option<MadeFile>, Value), Fault> {
    if job.flag("sync_mode") {
        let url = format!("data:{};base64,{}", piece.content_type, STANDARD.encode(&piece.bytes));
        return Ok((None, describe(job, piece, &url, "")));
    }
    let token = files::write(dir, &piece.bytes).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "A sample could not be written.");
        Fault::internal()
    })?;
    let name = format!("{}.{}", &token[..12], piece.extension);
    let value = describe(job, piece, &format!("/files/{token}/{name}"), &name);
    Ok((Some(MadeFile { token, name, content_type: piece.content_type }), value))
}

fn describe(job: &Job, piece: &Piece, url: &str, name: &str) -> Value {
    let mut value = json!({
        "url": url,
        "content_type": piece.content_type,
        "file_name": name,
        "file_size": piece.bytes.len(),
    });
    let shape = job.endpoint.output.values().find(|shape| **shape != Shape::Value);
    if matches!(shape, Some(Shape::Image | Shape::VideoFile)) {
        value["width"] = json!(piece.width);
        value["height"] = json!(piece.height);
    }
    if shape == Some(&Shape::VideoFile) {
        let shot = job.shot();
        value["fps"] = json!(shot.fps);
        value["duration"] = json!(shot.seconds);
        value["num_frames"] = json!(shot.fps * shot.seconds);
    }
    value
}

/// Megapixels of 1,024 × 1,024, each begun one counted.
fn megapixels(piece: &Piece) -> f64 {
    (f64::from(piece.width) * f64::from(piece.height) / f64::from(1 << 20)).ceil()
}
