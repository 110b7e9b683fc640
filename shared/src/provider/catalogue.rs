//! The models on offer: one file each, embedded, parsed once.
//!
//! Adding a model is adding a file and its name below. Tests hold every entry against the rules of the form and every request it
//! can build against `catalogue/types.json`, an extract of the provider's published endpoint types.

use std::sync::LazyLock;

use crate::domain::model::Model;

#[cfg(test)]
mod tests;

macro_rules! entries {
    ($($id:literal),+ $(,)?) => {
        [$(($id, include_str!(concat!("catalogue/", $id, ".json")))),+]
    };
}

/// In the order in which people see them within a kind: what to try first comes first.
const ENTRIES: &[(&str, &str)] = &entries![
    "flux-2",
    "flux-schnell",
    "flux-dev",
    "flux-2-pro",
    "nano-banana-pro",
    "gpt-image-2",
    "recraft-v3",
    "recraft-v4",
    "ideogram-v3",
    "nano-banana",
    "nano-banana-2",
    "seedream-4.5",
    "flux-1.1-ultra",
    "qwen-image",
    "z-image-turbo",
    "flux-2-edit",
    "flux-dev-img2img",
    "flux-kontext-pro",
    "nano-banana-edit",
    "gpt-image-2-edit",
    "qwen-image-edit",
    "seedream-4.5-edit",
    "flux-fill",
    "qwen-inpaint",
    "z-image-inpaint",
    "bria-eraser",
    "clarity-upscaler",
    "seedvr-upscale",
    "esrgan",
    "birefnet-v2",
    "bria-background",
    "ltx-2.3",
    "veo-3.1",
    "veo-3.1-fast",
    "kling-v3-pro",
    "seedance-1.5-pro",
    "wan-2.7",
    "hailuo-2.3",
    "ltx-2.3-i2v",
    "kling-v3-pro-i2v",
    "kling-2.5-turbo-i2v",
    "veo-3.1-i2v",
    "veo-3.1-frames",
    "wan-2.7-i2v",
];

static MODELS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the entries are part of the program, and a test parses every one of them")]
    ENTRIES.iter().map(|(_, text)| serde_json::from_str(text).expect("a well-formed entry")).collect()
});

/// Every model on offer.
pub fn models() -> &'static [Model] {
    &MODELS
}

/// The model called `id`.
pub fn find(id: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.id == id)
}
