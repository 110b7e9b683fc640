//! What a request is expected to cost, before it is made.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Model, Per, Price};
use crate::domain::money::Money;
use crate::domain::request::ValidGeneration;

/// Pixels of a megapixel as the provider bills it: 1,024 × 1,024 is one, and every begun one counts.
const MEGAPIXEL: u64 = 1 << 20;

/// The provider's named sizes.
const PRESETS: [(&str, u64, u64); 6] = [
    ("square_hd", 1024, 1024),
    ("square", 512, 512),
    ("portrait_4_3", 768, 1024),
    ("portrait_16_9", 576, 1024),
    ("landscape_4_3", 1024, 768),
    ("landscape_16_9", 1024, 576),
];

impl Price {
    /// The amount for one of `per` with these parameters.
    pub fn rate(&self, parameters: &BTreeMap<String, Value>) -> Money {
        self.rates
            .iter()
            .find(|rate| rate.when.iter().all(|(name, value)| parameters.get(name) == Some(value)))
            .map_or(self.amount, |rate| rate.amount)
    }
}

impl Model {
    /// Every parameter that has a default and is shown while all the others have theirs.
    pub fn defaults(&self) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for parameter in &self.parameters {
            let shown = parameter.shown_when.as_ref().is_none_or(|when| values.get(&when.parameter) == Some(&when.equals));
            if let Some(default) = parameter.default.as_ref().filter(|_| shown) {
                values.insert(parameter.name.clone(), default.clone());
            }
        }
        values
    }

    /// What `request` is expected to cost, and what it takes from the monthly limit. The price is what the provider publishes for
    /// these parameters; where it depends on an image whose size isn't known here, on one megapixel.
    pub fn estimate(&self, request: &ValidGeneration) -> (Money, u32) {
        let quantity = self.quantity(&request.parameters).saturating_mul(i64::from(request.outputs));
        // Saturates: the catalogue's prices are cents, and the largest amount is nine trillion dollars.
        let price = self.price.rate(&request.parameters).checked_mul(quantity).unwrap_or(Money::from_micros(i64::MAX));
        (price, self.units.saturating_mul(request.outputs))
    }

    /// How many of what the price counts one output is.
    fn quantity(&self, parameters: &BTreeMap<String, Value>) -> i64 {
        match self.price.per {
            Per::Image | Per::Video => 1,
            Per::Second => parameters.get("duration").and_then(Value::as_i64).unwrap_or(1),
            Per::Megapixel => {
                let pixels = self.pixels(parameters).unwrap_or_else(|| MEGAPIXEL * u64::from(self.price.megapixels.unwrap_or(1)));
                let scale = self.price.scale.as_ref().and_then(|name| parameters.get(name)).and_then(Value::as_f64).unwrap_or(1.0);
                // Scales are at most 10 and sizes at most 16 megapixels: far from where a float stops counting.
                (pixels as f64 * scale * scale / MEGAPIXEL as f64).ceil() as i64
            }
        }
    }

    /// The size of an output, where the request says it.
    fn pixels(&self, parameters: &BTreeMap<String, Value>) -> Option<u64> {
        let size = self.mapping.parameters.get("aspect")?.value(parameters.get("aspect")?)?;
        match &size {
            Value::String(name) => PRESETS.iter().find(|(preset, ..)| preset == name).map(|(_, width, height)| width * height),
            _ => Some(size.get("width")?.as_u64()? * size.get("height")?.as_u64()?),
        }
    }
}
