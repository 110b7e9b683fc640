//! What may be sent, what is made of it, and what is refused.

use futures_util::future::join_all;
use http::{StatusCode, header};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder as _, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::{Value, json};
use shared::db::uploads::MOST_A_DAY;
use shared::domain::user::Scope;

use super::{announced, assert_unusable, begin, complete, file, is_absent, kept, plain, put, record, restyled, sent, uploaded};
use crate::world::{World, sha256, still};

/// A JPEG that has to be turned by a quarter, and says where it was taken. Its left half is black.
fn photo(width: u32, height: u32) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value].concat()
    };
    let mut exif = b"II*\0\x08\0\0\0\x02\0".to_vec();
    exif.extend(entry(0x0112, 3, 1, [6, 0, 0, 0]));
    exif.extend(entry(0x8825, 4, 1, [38, 0, 0, 0]));
    exif.extend([0; 4]);
    exif.extend(b"\x01\0");
    exif.extend(entry(0x0001, 2, 2, *b"N\0\0\0"));
    exif.extend([0; 4]);
    exif.extend(b"GPS-AREA-MARK");
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.encode_image(&RgbImage::from_fn(width, height, |x, _| Rgb([if x < width / 2 { 0 } else { 255 }; 3]))).unwrap();
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// `png` with another chunk behind its header.
fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let chunk = [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat();
    [&png[..33], &chunk, &png[33..]].concat()
}

/// `png` that claims another size.
fn claiming(png: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png.to_vec();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_becomes_an_upright_picture_that_says_nothing_of_where_it_was_taken() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let photo = photo(640, 320);
    assert!(photo.windows(13).any(|part| part == b"GPS-AREA-MARK"));
    let ticket = begin(&ada, "image", "image/jpeg", &photo).await;
    let expires: jiff::Timestamp = ticket["expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires.duration_since(world.clock.now()).as_hours(), 24);
    assert_eq!(put(&ada, &ticket, &photo, &[]).await.status, StatusCode::OK);
    let id = ticket["id"].as_str().unwrap();
    let answer = complete(&ada, id).await;
    let clean = kept(&world, &ada, id).await;
    let expected = json!({"id": id, "content_type": "image/jpeg", "width": 320, "height": 640, "bytes": clean.len()});
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected.clone()));
    assert_eq!(complete(&ada, id).await.json(), expected, "again");

    for mark in [&b"Exif"[..], b"GPS"] {
        assert!(!clean.windows(mark.len()).any(|part| part == mark));
    }
    let decoded = image::load_from_memory_with_format(&clean, ImageFormat::Jpeg).unwrap().into_luma8();
    assert!(decoded.get_pixel(160, 20).0[0] < 40 && decoded.get_pixel(160, 620).0[0] > 215, "turned to the right");
    assert!(is_absent(&world, &format!("in/{id}")).await, "what was sent is cleared away");

    let large = uploaded(&ada, "image", &plain(3_000, 1_000, [9, 80, 200])).await;
    let record = record(&world, &ada, &large).await.clean.unwrap();
    assert_eq!((record.width, record.height, record.content_type.as_str()), (2_048, 683, "image/jpeg"));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_seen_through_stays_so_and_a_mask_becomes_grey() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let glass = file(RgbaImage::from_fn(40, 30, |x, _| Rgba([200, 30, 30, if x < 20 { 0 } else { 255 }])), ImageFormat::WebP);
    let (id, answer) = sent(&ada, "image", "image/webp", &glass).await;
    assert_eq!(answer.json()["content_type"], "image/png");
    assert!(image::load_from_memory(&kept(&world, &ada, &id).await).unwrap().color().has_alpha());
    let (id, answer) = sent(&ada, "mask", "image/webp", &glass).await;
    assert_eq!(answer.json()["content_type"], "image/png");
    let mask = image::load_from_memory(&kept(&world, &ada, &id).await).unwrap();
    assert_eq!(mask.color(), image::ColorType::L8);
    assert_eq!(mask.into_luma8().get_pixel(5, 5), &Luma([0]), "what isn't painted is kept");
    // What counts is what is in the file.
    let (_, answer) = sent(&ada, "image", "image/png", &photo(64, 32)).await;
    assert_eq!((answer.status, &answer.json()["content_type"]), (StatusCode::OK, &json!("image/jpeg")));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_picture_is_refused_with_the_reason_and_leaves_nothing() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let png = plain(40, 30, [1, 2, 3]);
    let jpeg = photo(64, 32);
    let mut wide = jpeg.clone();
    let at = wide.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    wide[at + 5..at + 9].copy_from_slice(&[0xff; 4]);
    let webp = file(RgbImage::from_pixel(30, 20, Rgb([5, 6, 7])), ImageFormat::WebP);
    let cases = [
        ("text", b"hello, picture".to_vec(), "wrong-type", "PNG, JPEG and WebP"),
        ("html", b"<!DOCTYPE html><script>alert(1)</script>".to_vec(), "wrong-type", "PNG, JPEG and WebP"),
        ("gif", [&b"GIF89a\x01\0\x01\0\0\0\0"[..], &png].concat(), "wrong-type", "image/gif"),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>".to_vec(), "wrong-type", "image/svg+xml"),
        ("video", b"\0\0\0\x20ftypisom\0\0\x02\0".to_vec(), "wrong-type", "video/mp4"),
        ("picture behind something else", [&b"PK\x03\x04"[..], &png].concat(), "wrong-type", "PNG, JPEG and WebP"),
        ("half a PNG", png[..png.len() / 2].to_vec(), "damaged", "cut off or damaged"),
        ("a PNG's signature", png[..8].to_vec(), "dimensions", "at least one pixel"),
        ("half a JPEG", jpeg[..jpeg.len() / 2].to_vec(), "damaged", "cut off or damaged"),
        ("half a WebP", webp[..webp.len() / 2].to_vec(), "damaged", "cut off or damaged"),
        ("another size than its pixels", claiming(&png, 80, 80), "damaged", "cut off or damaged"),
        ("an animated PNG", with_chunk(&png, b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]), "animated", "animation"),
        ("a bomb", claiming(&png, 50_000, 50_000), "dimensions", "16 megapixels"),
        ("a long bomb", claiming(&png, 16_385, 1), "dimensions", "16384"),
        ("no pixels", claiming(&png, 0, 30), "dimensions", "0 × 30"),
        ("a JPEG bomb", wide, "dimensions", "65535 × 65535"),
    ];
    for (what, bytes, code, words) in cases {
        let (id, first) = sent(&ada, "image", "image/png", &bytes).await;
        for answer in [first, complete(&ada, &id).await] {
            assert_eq!(answer.code(), (422, "unprocessable-media".to_owned()), "{what}: {}", answer.text());
            let body = answer.json();
            assert_eq!(body["errors"][0]["code"], code, "{what}: {body}");
            assert!(body["detail"].as_str().unwrap().contains(words), "{what}: {body}");
        }
        for key in [format!("in/{id}"), format!("clean/{id}.png"), format!("clean/{id}.jpg")] {
            assert!(is_absent(&world, &key).await, "{what}: {key}");
        }
        assert_unusable(what, &ada, &restyled(&id), "inputs.images[0]", code).await;
    }
    // What hides in a real picture doesn't survive.
    let hiding = [with_chunk(&png, b"tEXt", b"Comment\0<script>alert(1)</script>"), b"PK\x03\x04<html>".to_vec()].concat();
    let clean = kept(&world, &ada, &uploaded(&ada, "image", &hiding).await).await;
    assert!(!clean.windows(6).any(|six| six == b"script" || six == b"<html>"));
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_announced_is_taken() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let png = plain(40, 30, [1, 2, 3]);
    let ticket = begin(&ada, "image", "image/png", &png).await;
    let id = ticket["id"].as_str().unwrap();
    let mut changed = png.clone();
    *changed.last_mut().unwrap() ^= 1;
    let longer = [&png[..], b"x"].concat();
    let other_sum = ticket["upload"]["headers"]["x-amz-checksum-sha256"].as_str().unwrap().replacen(char::is_alphanumeric, "A", 3);
    for (what, bytes, change, statuses) in [
        ("longer", &longer, &[][..], [400, 403]),
        ("shorter", &png[..40].to_vec(), &[], [400, 403]),
        ("other bytes", &changed, &[], [400, 400]),
        ("another type", &png, &[("content-type", "text/html")], [403, 403]),
        ("another checksum", &png, &[("x-amz-checksum-sha256", other_sum.as_str())], [400, 403]),
        ("a header of one's own", &png, &[("x-amz-meta-owner", "me")], [403, 403]),
    ] {
        let answer = put(&ada, &ticket, bytes, change).await;
        assert!(statuses.contains(&answer.status.as_u16()), "{what}: {}", answer.text());
        assert!(is_absent(&world, &format!("in/{id}")).await, "{what}");
        let answer = complete(&ada, id).await;
        assert_eq!(
            (answer.code(), &answer.json()["errors"][0]["code"]),
            ((422, "unprocessable-media".to_owned()), &json!("missing")),
            "{what}"
        );
    }
    let elsewhere = json!({"id": id, "upload": {
        "method": "PUT",
        "url": ticket["upload"]["url"].as_str().unwrap().replace(&format!("in/{id}"), "in/mine"),
        "headers": ticket["upload"]["headers"],
    }});
    assert_eq!(put(&ada, &elsewhere, &png, &[]).await.status, StatusCode::FORBIDDEN);
    assert_unusable("not sent", &ada, &restyled(id), "inputs.images[0]", "not-complete").await;
    assert_eq!(put(&ada, &ticket, &png, &[]).await.status, StatusCode::OK);
    assert_unusable("not completed", &ada, &restyled(id), "inputs.images[0]", "not-complete").await;
    assert_eq!(complete(&ada, id).await.status, StatusCode::OK);
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_given_only_for_what_may_be_sent_and_to_who_may() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let good = announced("image", "image/png", b"x");
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (what, body, field) in [
        ("purpose", with("purpose", json!("avatar")), "purpose"),
        ("no purpose", json!({"content_type": "image/png", "bytes": 1, "sha256": sha256(b"x")}), "purpose"),
        ("type", with("content_type", json!("image/gif")), "content_type"),
        ("drawing", with("content_type", json!("image/svg+xml")), "content_type"),
        ("nothing", with("bytes", json!(0)), "bytes"),
        ("too much", with("bytes", json!(10 * 1024 * 1024 + 1)), "bytes"),
        ("less than nothing", with("bytes", json!(-1)), "bytes"),
        ("short sum", with("sha256", json!("00")), "sha256"),
        ("upper case", with("sha256", json!("AB".repeat(32))), "sha256"),
        ("more", with("key", json!("in/mine")), "key"),
    ] {
        let answer = ada.post("/api/v1/uploads", &body).await;
        assert_eq!((answer.code(), &answer.json()["errors"][0]["field"]), ((400, "validation".to_owned()), &json!(field)), "{what}");
    }
    let reader = world.client("reader", vec![Scope::Read], None).await;
    for path in ["/api/v1/uploads", "/api/v1/uploads/0190163d8694739baea5966c26f8ad91/complete"] {
        assert_eq!(world.stranger(None).post(path, &good).await.code(), (401, "unauthenticated".to_owned()), "{path}");
        assert_eq!(reader.post(path, &good).await.code(), (403, "forbidden".to_owned()), "{path}");
    }
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_eight_times_at_once_is_completing_once() {
    let world = World::start().await;
    let ada = world.user("ada").await;
    let png = plain(1_200, 900, [10, 200, 30]);
    let ticket = begin(&ada, "image", "image/png", &png).await;
    assert_eq!(put(&ada, &ticket, &png, &[]).await.status, StatusCode::OK);
    let id = ticket["id"].as_str().unwrap();
    let answers = join_all((0..8).map(|_| complete(&ada, id))).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, answers[0].json()));
    }
    assert_eq!(answers[0].json()["bytes"], kept(&world, &ada, id).await.len());
    assert_eq!(ada.made(&restyled(id)).await["state"], "complete");
    world.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_a_day_are_taken_however_fast_they_come() {
    let world = World::start_at(&[], still()).await;
    let ada = world.user("ada").await;
    let body = announced("image", "image/png", b"x");
    let answers = join_all((0..MOST_A_DAY + 10).map(|_| ada.post("/api/v1/uploads", &body))).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!((taken.len(), refused.len()), (100, 10));
    for answer in &refused {
        assert_eq!(answer.code(), (429, "rate-limited".to_owned()), "{}", answer.text());
    }
    let seconds: i64 = refused[0].header(header::RETRY_AFTER).parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{seconds}");
    world.clock.advance(seconds * 1_000);
    assert_eq!(ada.post("/api/v1/uploads", &body).await.status, StatusCode::CREATED);
    world.shutdown().await;
}
