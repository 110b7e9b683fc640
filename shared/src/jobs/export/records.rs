//! What is written of everything: for people and for other programs, without what only we can use.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::db::ledger;
use crate::db::quota::Quota;
use crate::domain::limits::Limits;
use crate::domain::money::Money;
use crate::domain::request::ValidInputs;
use crate::domain::user::{Role, User};
use crate::domain::{asset, generation, link, words};

/// Where an original lies in the zip: a name that says what it is, and the whole id, so that no two are the same.
pub(super) fn file_name(asset: &asset::Asset) -> String {
    format!("originals/{}", words::long_file_name(asset))
}

#[derive(Serialize)]
pub(super) struct Asset<'a> {
    id: String,
    kind: asset::AssetKind,
    /// Where it lies in this zip; null when it was deleted while the export was made.
    file: Option<&'a str>,
    content_type: &'a str,
    width: u32,
    height: u32,
    bytes: u64,
    duration_ms: Option<u64>,
    sha256: &'a str,
    model: &'a str,
    prompt: Option<&'a str>,
    parameters: &'a BTreeMap<String, Value>,
    generation_id: String,
    parent_id: Option<String>,
    title: Option<&'a str>,
    alt_text: Option<&'a str>,
    favourite: bool,
    collections: Vec<String>,
    created_at: Timestamp,
    /// When it went to the trash.
    deleted_at: Option<Timestamp>,
}

impl<'a> Asset<'a> {
    pub(super) fn new(asset: &'a asset::Asset, file: Option<&'a str>) -> Self {
        Self {
            id: asset.id.to_string(),
            kind: asset.kind,
            file,
            content_type: &asset.content_type,
            width: asset.width,
            height: asset.height,
            bytes: asset.bytes,
            duration_ms: asset.duration_ms,
            sha256: &asset.sha256,
            model: &asset.model,
            prompt: asset.prompt.as_deref(),
            parameters: &asset.parameters,
            generation_id: asset.generation.to_string(),
            parent_id: asset.parent.map(|parent| parent.to_string()),
            title: asset.title.as_deref(),
            alt_text: asset.alt_text.as_deref(),
            favourite: asset.favourite,
            collections: asset.collections.iter().map(ToString::to_string).collect(),
            created_at: asset.created_at,
            deleted_at: asset.deleted_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Generation<'a> {
    id: String,
    model: &'a str,
    outputs: u32,
    inputs: &'a ValidInputs,
    parameters: &'a BTreeMap<String, Value>,
    assets: Vec<String>,
    failed: u32,
    cancelled: u32,
    unknown: u32,
    warnings: &'a [generation::Warning],
    units_reserved: u32,
    units_charged: u32,
    price_estimated: Money,
    price_actual: Money,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl<'a> Generation<'a> {
    pub(super) fn new(generation: &'a generation::Generation) -> Self {
        Self {
            id: generation.id.to_string(),
            model: &generation.model,
            outputs: generation.outputs,
            inputs: &generation.inputs,
            parameters: &generation.parameters,
            assets: generation.assets.iter().map(ToString::to_string).collect(),
            failed: generation.failed,
            cancelled: generation.cancelled,
            unknown: generation.unknown,
            warnings: &generation.warnings,
            units_reserved: generation.units_reserved,
            units_charged: generation.units_charged,
            price_estimated: Money::from_micros(generation.price_estimated),
            price_actual: Money::from_micros(generation.price_actual),
            created_at: generation.created_at,
            finished_at: generation.settled_at.filter(|_| generation.open == 0),
        }
    }
}

#[derive(Serialize)]
pub(super) struct LedgerLine<'a> {
    at: Timestamp,
    generation_id: String,
    kind: ledger::LedgerKind,
    units: u32,
    price: Money,
    reason: &'a str,
    month: &'a str,
}

impl<'a> LedgerLine<'a> {
    pub(super) fn new(line: &'a ledger::LedgerLine) -> Self {
        Self {
            at: line.at,
            generation_id: line.generation.to_string(),
            kind: line.kind,
            units: line.units,
            price: Money::from_micros(line.price),
            reason: &line.reason,
            month: &line.month,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Link<'a> {
    url: String,
    asset_id: String,
    opens: link::Opens,
    enabled: bool,
    expires_at: Option<Timestamp>,
    max_views: Option<u32>,
    views: u32,
    has_password: bool,
    note: Option<&'a str>,
    created_at: Timestamp,
}

impl<'a> Link<'a> {
    pub(super) fn new(link: &'a link::Link, origin: &str) -> Self {
        Self {
            url: format!("{origin}/s/{}", link.key),
            asset_id: link.asset.to_string(),
            opens: link.opens,
            enabled: link.enabled,
            expires_at: link.expires_at,
            max_views: link.max_views,
            views: link.views,
            has_password: link.password.is_some(),
            note: link.note.as_deref(),
            created_at: link.created_at,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Profile<'a> {
    id: String,
    email: &'a str,
    name: &'a str,
    picture: Option<&'a str>,
    role: Role,
    /// What an administrator granted.
    limits: Option<Limits>,
    created_at: Timestamp,
    last_sign_in_at: Timestamp,
    usage: Vec<Month>,
}

#[derive(Serialize)]
struct Month {
    month: String,
    units: u32,
    spend: Money,
}

impl<'a> Profile<'a> {
    pub(super) fn new(user: &'a User, months: Vec<(String, Quota)>) -> Self {
        let month = |(month, quota): (String, Quota)| Month { month, units: quota.charged, spend: Money::from_micros(quota.spend) };
        Self {
            id: user.id.to_string(),
            email: &user.email,
            name: &user.name,
            picture: user.picture.as_deref(),
            role: user.role,
            limits: user.limits,
            created_at: user.created_at,
            last_sign_in_at: user.last_sign_in_at,
            usage: months.into_iter().map(month).collect(),
        }
    }
}
