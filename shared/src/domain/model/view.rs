//! A model as clients see it: everything a form needs, nothing of the provider's.

use serde::Serialize;

use super::{Help, Inputs, Model, ModelKind, ModelLimits, Outputs, Parameter, Per};
use crate::domain::money::{CURRENCY, Money};

/// An entry of `GET /api/v1/models`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
pub struct ModelView {
    /// What requests call it.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it makes of what.
    pub kind: ModelKind,
    /// One sentence.
    pub summary: String,
    /// The information dialog.
    pub help: Help,
    /// One or two words each.
    pub badges: Vec<String>,
    /// What it takes; what it can't use is absent.
    pub inputs: Inputs,
    /// What can be set, in the order of the form.
    pub parameters: Vec<Parameter>,
    /// How many outputs one request may ask for.
    pub outputs: Outputs,
    /// The price at the defaults; an estimate says it for one request.
    pub price: PriceView,
    /// What one output takes from the monthly limit.
    pub units: u32,
    /// Bounds that aren't part of the form.
    pub limits: ModelLimits,
}

/// A price and what it counts.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
pub struct PriceView {
    /// A decimal number with four to six decimals.
    #[cfg_attr(feature = "view", schema(value_type = String, example = "0.0120"))]
    #[serde(serialize_with = "as_text")]
    pub amount: Money,
    /// ISO 4217.
    pub currency: &'static str,
    /// What is counted.
    pub per: Per,
}

impl From<&Model> for ModelView {
    fn from(model: &Model) -> Self {
        Self {
            id: model.id.clone(),
            name: model.name.clone(),
            kind: model.kind,
            summary: model.summary.clone(),
            help: model.help.clone(),
            badges: model.badges.clone(),
            inputs: model.inputs.clone(),
            parameters: model.parameters.clone(),
            outputs: model.outputs,
            price: PriceView { amount: model.price.rate(&model.defaults()), currency: CURRENCY, per: model.price.per },
            units: model.units,
            limits: model.limits,
        }
    }
}

fn as_text<S: serde::Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(money)
}
