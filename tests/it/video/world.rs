//! Films of the tests' own, put into a library where a generated one lies, and a decoder that is asked for a second opinion.

use aws_sdk_dynamodb::types::AttributeValue::{self, N, S};
use bytes::Bytes;
use muxide::api::{MuxerBuilder, VideoCodec};
use rusty_h264_common::{Profile, YuvFrame};
use rusty_h264_decoder::Decoder;
use rusty_h264_encoder::{Encoder, EncoderConfig, Preset};
use serde_json::Value;
use shared::domain::asset::{Asset, PosterState};
use shared::id::{AssetId, UserId, random_base62};
use shared::media::video::{Codec, Index};
use shared::media::{Bucket, MediaType, keys};
use shared::queue::MakePoster;

use crate::table::{Item, Table};
use crate::world::{Client, World, eventually};

pub(super) const QUEUE: &str = "videos";
pub(super) const DEAD_LETTERS: &str = "videos-dead-letter";

/// A person's first film, by the stand-in, with its poster; others are placed beside it.
pub(super) struct Library<'a> {
    pub(super) world: &'a World,
    pub(super) user: UserId,
    table: Table,
    like: AssetId,
    number: u64,
}

impl<'a> Library<'a> {
    pub(super) async fn of(world: &'a World, owner: &Client) -> Self {
        let request = serde_json::json!({
            "model": "wan-2.7",
            "inputs": {"prompt": "hills at dawn"},
            "parameters": {"duration": 2, "resolution": "720p", "aspect": "16:9"},
        });
        let over = owner.made(&request).await;
        assert_eq!(over["state"], "complete", "{over}");
        let like = over["assets"][0]["id"].as_str().unwrap().parse().unwrap();
        let library = Self { world, user: owner.user().id, table: Table::of(world), like, number: 0 };
        library.settled(like).await;
        library
    }

    /// A film as it is when it was just imported, whose object is this file. Nobody was asked for its poster.
    pub(super) async fn place(&mut self, file: &[u8]) -> AssetId {
        self.number += 1;
        let mut item = self.item(self.like).await;
        let id: AssetId =
            format!("{:032x}", u128::from_str_radix(&self.like.to_string(), 16).unwrap() + u128::from(self.number)).parse().unwrap();
        let key = keys::original(&random_base62(20), id, MediaType::Mp4);
        self.world.platform.media.put(Bucket::Media, &key, "video/mp4", Bytes::copy_from_slice(file)).await.unwrap();
        for (name, value) in [("sk", format!("ASSET#{id}")), ("id", id.to_string()), ("key", key), ("poster", "pending".to_owned())] {
            item.insert(name.to_owned(), S(value));
        }
        item.insert("bytes".to_owned(), N(file.len().to_string()));
        item.insert("thumbnails".to_owned(), AttributeValue::L(Vec::new()));
        item.remove("placeholder");
        // Due long ago.
        item.insert("gsi1pk".to_owned(), S("OPEN#0".to_owned()));
        item.insert("gsi1sk".to_owned(), S(format!("{:014}#{id}", 1)));
        self.table.put(item).await;
        id
    }

    async fn item(&self, asset: AssetId) -> Item {
        self.table.item(format!("USER#{}", self.user), format!("ASSET#{asset}")).await
    }

    /// Another attribute of a placed film.
    pub(super) async fn change(&self, asset: AssetId, name: &str, value: &str) {
        let mut item = self.item(asset).await;
        item.insert(name.to_owned(), S(value.to_owned()));
        self.table.put(item).await;
    }

    pub(super) async fn is_listed_as_open(&self, asset: AssetId) -> bool {
        self.item(asset).await.contains_key("gsi1pk")
    }

    pub(super) async fn ask(&self, asset: AssetId) {
        self.send(serde_json::to_string(&MakePoster { user: self.user, asset }).unwrap()).await;
    }

    pub(super) async fn send(&self, body: String) {
        let message = local_sqs::Outgoing { body, delay: None, attributes: Default::default(), trace_header: None };
        self.world.edition.queues().send(QUEUE, message).await.unwrap();
    }

    pub(super) async fn asset(&self, asset: AssetId) -> Asset {
        self.world.platform.db.asset(self.user, asset).await.unwrap().unwrap()
    }

    /// The film, once nobody waits for its poster any more.
    pub(super) async fn settled(&self, asset: AssetId) -> Asset {
        eventually("a poster, or none for good", async || {
            Some(self.asset(asset).await).filter(|asset| asset.poster != PosterState::Pending)
        })
        .await
    }

    /// The smallest poster, as pixels.
    pub(super) async fn poster(&self, asset: &Asset) -> image::RgbImage {
        let file = self.world.platform.media.get(Bucket::Media, &asset.thumbnails[0].key, 1 << 20).await.unwrap();
        image::load_from_memory(&file).unwrap().into_rgb8()
    }
}

/// A film of plain pictures, in brightness from 16 to 235, each for a fifth of a second and with a key frame of its own.
pub(super) fn film(brightness: &[u8]) -> Vec<u8> {
    let (width, height) = (160, 96);
    let mut config = EncoderConfig::new(width, height);
    (config.profile, config.preset, config.qp, config.mbtree, config.scenecut) = (Profile::Main, Preset::Fast, 24, false, 0);
    config.gop_size = 6;
    let mut muxer = MuxerBuilder::new(Vec::new()).video(VideoCodec::H264, 160, 96, 25.0).with_fast_start(false).build().unwrap();
    let mut number = 0_u32;
    for luma in brightness {
        let frame =
            YuvFrame { width, height, y: vec![*luma; width * height], u: vec![128; width * height / 4], v: vec![128; width * height / 4] };
        let mut encoder = Encoder::new(config.clone()).unwrap();
        for time in 0..5 {
            muxer.write_video(f64::from(number) / 25.0, &encoder.try_encode(&frame).unwrap(), time == 0).unwrap();
            number += 1;
        }
    }
    muxer.finish_in_place().unwrap();
    muxer.into_writer()
}

/// The brightness of a film's first picture in a grid of so many fields, by the decoder alone.
pub(super) fn first_picture(file: &[u8], index: &Index, grid: (usize, usize)) -> Vec<f64> {
    let Codec::Avc(avc) = &index.codec else { panic!("{:?}", index.codec) };
    let range = index.key_frames[0].start.try_into().unwrap()..index.key_frames[0].end.try_into().unwrap();
    let (mut rest, mut units) = (&file[range], avc.sequence.iter().chain(&avc.picture).map(|unit| &unit[..]).collect::<Vec<_>>());
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        units.push(&rest[4..4 + length]);
        rest = &rest[4 + length..];
    }
    let stream: Vec<u8> = units.into_iter().flat_map(|unit| [&[0, 0, 0, 1], unit].concat()).collect();
    let frame = Decoder::new().decode(&stream).unwrap().unwrap();
    fields(frame.width, frame.height, grid, |x, y| f64::from(frame.y[y * frame.width + x]))
}

/// The same of a picture, in the narrow range of films of HD.
pub(super) fn brightness(picture: &image::RgbImage, grid: (usize, usize)) -> Vec<f64> {
    fields(picture.width() as usize, picture.height() as usize, grid, |x, y| {
        let [r, g, b] = picture.get_pixel(u32::try_from(x).unwrap(), u32::try_from(y).unwrap()).0.map(f64::from);
        16.0 + (0.2126 * r + 0.7152 * g + 0.0722 * b) * 219.0 / 255.0
    })
}

fn fields(width: usize, height: usize, (across, down): (usize, usize), at: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); across * down];
    for y in 0..height {
        for x in 0..width {
            let (sum, count) = &mut sums[y * down / height * across + x * across / width];
            *sum += at(x, y);
            *count += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count).collect()
}

/// How far apart two grids are on average, and how much the first one varies.
pub(super) fn distance(a: &[f64], b: &[f64]) -> (f64, f64) {
    let count = a.len() as f64;
    let mean = a.iter().sum::<f64>() / count;
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / count;
    (apart, a.iter().map(|a| (a - mean).abs()).sum::<f64>() / count)
}

/// Width, height, frames and seconds, where `ffprobe` is installed.
pub(super) fn probed(file: &[u8]) -> Option<Value> {
    std::process::Command::new("ffprobe").arg("-version").output().ok()?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    std::fs::write(&path, file).unwrap();
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v:0", "-of", "json"])
        .args(["-show_entries", "stream=width,height,nb_read_frames,duration"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice::<Value>(&output.stdout).unwrap()["streams"][0].clone())
}
