//! What each kind of model makes of its input.

use super::*;
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use image::{DynamicImage, GenericImageView, ImageFormat, Luma, Rgb, RgbImage};
use std::io::Cursor;

/// A host of source pictures.
async fn sources() -> String {
    let file = |image: DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let photo = RgbImage::from_fn(200, 120, |x, y| {
        let figure = (60..140).contains(&x) && (30..90).contains(&y);
        if figure { Rgb([180, 40, 40]) } else { Rgb([230, 230, 225]) }
    });
    let mask = image::GrayImage::from_fn(200, 120, |x, _| Luma([if x < 100 { 255 } else { 0 }]));
    let photo_png = file(DynamicImage::ImageRgb8(photo.clone()), ImageFormat::Png);
    let photo_jpeg = file(DynamicImage::ImageRgb8(photo), ImageFormat::Jpeg);
    let mask_png = file(DynamicImage::ImageLuma8(mask), ImageFormat::Png);
    let router = Router::new()
        .route("/photo.png", get(async move || photo_png.clone()))
        .route("/photo.jpeg", get(async move || photo_jpeg.clone()))
        .route("/mask.png", get(async move || mask_png.clone()))
        .route("/moved.png", get(async || Redirect::temporary("/photo.png")))
        .route("/text.png", get(async || "this is no picture"))
        .route("/broken.png", get(async || &b"\x89PNG\r\n\x1a\n and no more"[..]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

async fn decoded(world: &World, file: &Value) -> DynamicImage {
    let answer = world.file(file).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), file["content_type"].as_str().unwrap());
    assert_eq!(answer.body.len() as u64, file["file_size"].as_u64().unwrap());
    image::load_from_memory(&answer.body).unwrap()
}

#[tokio::test]
async fn text_becomes_pictures_of_the_asked_size_and_format() {
    let world = World::immediate().await;
    for (endpoint, format, size) in
        [("fal-ai/flux/schnell", "png", (320, 200)), ("fal-ai/flux/dev", "jpeg", (64, 256)), ("fal-ai/flux-2", "webp", (512, 640))]
    {
        let input = json!({
            "prompt": "a fox", "seed": 18_446_744_073_709_551_615_u64, "num_images": 2, "output_format": format,
            "image_size": {"width": size.0, "height": size.1},
        });
        let output = world.output(endpoint, &input).await;
        assert_eq!(output["seed"].as_u64(), Some(u64::MAX));
        assert_eq!(output["has_nsfw_concepts"], json!([false, false]));
        assert_eq!(output["prompt"], "a fox");
        assert!(output["timings"]["inference"].is_number());
        let mut pictures = Vec::new();
        for image in output["images"].as_array().unwrap() {
            assert_eq!((image["width"].as_u64(), image["height"].as_u64()), (Some(size.0), Some(size.1)));
            assert_eq!(image["content_type"], format!("image/{format}"));
            let picture = decoded(&world, image).await;
            assert_eq!((u64::from(picture.width()), u64::from(picture.height())), size);
            pictures.push(picture.to_rgb8());
        }
        assert!(pictures.len() == 2 && pictures[0] != pictures[1]);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes_and_another_prompt_others() {
    let world = World::immediate().await;
    let bytes = async |prompt: &str, seed: u64| {
        let input = json!({"prompt": prompt, "seed": seed, "image_size": "square"});
        let output = world.output("fal-ai/flux/schnell", &input).await;
        world.file(&output["images"][0]).await.body
    };
    let first = bytes("a fox", 7).await;
    assert_eq!(first, bytes("a fox", 7).await);
    assert_ne!(first, bytes("a fox", 8).await);
    assert_ne!(first, bytes("a whale", 7).await);
}

#[tokio::test]
async fn outputs_have_the_shape_of_their_model() {
    let world = World::immediate().await;
    let output = world.output("openai/gpt-image-2", &json!({"prompt": "p", "image_size": "auto", "output_format": "jpeg"})).await;
    assert_eq!(output.as_object().unwrap().keys().collect::<Vec<_>>(), ["images"]);
    assert_eq!(output["images"][0]["width"], 1024);
    let output = world.output("fal-ai/recraft/v3/text-to-image", &json!({"prompt": "p", "image_size": "square"})).await;
    assert!(output["images"][0].get("width").is_none(), "recraft answers plain files");
    assert_eq!(output["images"][0]["content_type"], "image/webp");
    let output = world.output("fal-ai/flux/schnell", &json!({"prompt": "p", "sync_mode": true, "image_size": "square"})).await;
    assert!(output["images"][0]["url"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
}

#[tokio::test]
async fn pictures_become_pictures() {
    let (world, base) = (World::immediate().await, sources().await);
    let photo = format!("{base}/photo.png");

    let input = json!({"prompt": "blue", "image_url": format!("{base}/moved.png"), "output_format": "png"});
    let output = world.output("fal-ai/flux/dev/image-to-image", &input).await;
    let styled = decoded(&world, &output["images"][0]).await;
    assert_eq!(styled.dimensions(), (200, 120));

    let input = json!({"prompt": "blue", "image_urls": [photo, format!("{base}/photo.jpeg")], "image_size": {"width": 640, "height": 512}});
    let output = world.output("fal-ai/flux-2/edit", &input).await;
    assert_eq!(decoded(&world, &output["images"][0]).await.dimensions(), (640, 512));

    let input = json!({"prompt": "night", "image_url": photo, "mask_url": format!("{base}/mask.png"), "output_format": "png"});
    let output = world.output("fal-ai/flux-pro/v1/fill", &input).await;
    let filled = decoded(&world, &output["images"][0]).await.to_rgb8();
    assert_eq!(filled.get_pixel(190, 10).0, [230, 230, 225], "what the mask leaves out stays");
    assert_ne!(filled.get_pixel(10, 10).0, [230, 230, 225]);

    let output = world.output("fal-ai/clarity-upscaler", &json!({"image_url": photo, "upscale_factor": 2.5})).await;
    assert!(output["seed"].is_u64() && output["timings"].is_object());
    assert_eq!(decoded(&world, &output["image"]).await.dimensions(), (500, 300));

    let output = world.output("fal-ai/birefnet/v2", &json!({"image_url": photo, "output_mask": true})).await;
    let cut = decoded(&world, &output["image"]).await;
    assert!(cut.color().has_alpha());
    assert_eq!((cut.get_pixel(100, 60).0[3], cut.get_pixel(2, 2).0[3]), (255, 0));
    assert_eq!(decoded(&world, &output["mask_image"]).await.dimensions(), (200, 120));
}

#[tokio::test]
async fn sizes_have_many_names() {
    let (world, base) = (World::immediate().await, sources().await);
    let (photo, mask) = (format!("{base}/photo.png"), format!("{base}/mask.png"));
    for (endpoint, input, size) in [
        ("fal-ai/nano-banana-2", json!({"prompt": "p", "aspect_ratio": "16:9", "resolution": "0.5K"}), (688, 384)),
        ("fal-ai/nano-banana-pro", json!({"prompt": "p"}), (1024, 1024)),
        ("fal-ai/nano-banana/edit", json!({"prompt": "p", "image_urls": [photo], "aspect_ratio": "1:1"}), (1024, 1024)),
        ("fal-ai/flux-pro/v1.1-ultra", json!({"prompt": "p", "aspect_ratio": "1000:1", "image_url": photo}), (3232, 320)),
        ("fal-ai/flux-pro/kontext", json!({"prompt": "p", "image_url": photo}), (200, 120)),
        ("openai/gpt-image-2/edit", json!({"prompt": "p", "image_urls": [photo], "mask_url": mask}), (200, 120)),
        (
            "fal-ai/z-image/turbo/inpaint",
            json!({"prompt": "p", "image_url": photo, "mask_image_url": mask, "image_size": "square"}),
            (512, 512),
        ),
        ("fal-ai/ideogram/v3", json!({"prompt": "p", "image_size": "square", "image_urls": [photo]}), (512, 512)),
    ] {
        let output = world.output(endpoint, &input).await;
        assert_eq!(decoded(&world, &output["images"][0]).await.dimensions(), size, "{endpoint}");
    }
    for (endpoint, input, size) in [
        ("fal-ai/seedvr/upscale/image", json!({"image_url": photo, "upscale_mode": "target", "target_resolution": "720p"}), (1200, 720)),
        ("fal-ai/esrgan", json!({"image_url": photo, "scale": 3}), (600, 360)),
        ("fal-ai/bria/eraser", json!({"image_url": photo, "mask_url": mask}), (200, 120)),
        ("fal-ai/bria/background/remove", json!({"image_url": photo}), (200, 120)),
    ] {
        let output = world.output(endpoint, &input).await;
        assert_eq!(decoded(&world, &output["image"]).await.dimensions(), size, "{endpoint}");
    }
}

#[tokio::test]
async fn text_and_pictures_become_films() {
    let (world, base) = (World::immediate().await, sources().await);
    let output = world.output("fal-ai/veo3.1", &json!({"prompt": "p", "duration": "4s"})).await;
    let video = &output["video"];
    assert_eq!(video["content_type"], "video/mp4");
    assert!(video.get("width").is_none(), "veo answers a plain file");
    let bytes = world.file(video).await.body;
    assert_eq!(&bytes[4..8], b"ftyp");

    let input = json!({"start_image_url": format!("{base}/photo.png"), "duration": "3", "multi_prompt": [{"prompt": "p"}]});
    let submitted = world.submit("fal-ai/kling-video/v3/pro/image-to-video", &input).await;
    let answer = world.result(&submitted).await;
    assert_eq!((answer.status, answer.header("x-fal-billable-units")), (200, "3"));

    let input = json!({"prompt": "p", "image_url": format!("{base}/photo.png")});
    let output = world.output("fal-ai/ltx-2.3/image-to-video", &input).await;
    let video = &output["video"];
    let numbers = ["width", "height", "fps", "duration", "num_frames"].map(|name| video[name].as_u64().unwrap());
    assert_eq!(numbers, [1920, 1080, 25, 6, 150]);
}

#[tokio::test]
async fn a_wrong_input_is_a_result_of_422() {
    let world = World::immediate().await;
    let submitted = world.submit("fal-ai/flux/schnell", &json!({"prompt": 1, "style": "x"})).await;
    let answer = world.result(&submitted).await;
    assert_eq!(answer.status, 422);
    let body = answer.json();
    assert_eq!(
        body["detail"][0],
        json!({"loc": ["body", "prompt"], "msg": "Input should be a valid string", "type": "string_type",
               "url": "https://docs.fal.ai/errors#string_type", "input": 1})
    );
    assert_eq!(body["detail"][1]["type"], "extra_forbidden");
    let status = world.status(&submitted).await.json();
    assert!(status["status"] == "COMPLETED" && status.get("error").is_none(), "the state alone doesn't tell");
    assert_eq!(answer.header("x-fal-needs-retry"), "0");
}

#[tokio::test]
async fn a_source_that_is_no_picture_is_refused() {
    let (world, base) = (World::immediate().await, sources().await);
    for (url, kind) in [
        (format!("{base}/none.png"), "file_download_error"),
        ("http://127.0.0.1:1/a.png".to_owned(), "file_download_error"),
        (format!("{base}/text.png"), "unsupported_image_format"),
        (format!("{base}/broken.png"), "image_load_error"),
        ("data:image/png;base64,%%%".to_owned(), "file_download_error"),
    ] {
        let submitted = world.submit("fal-ai/birefnet/v2", &json!({"image_url": url})).await;
        let answer = world.result(&submitted).await;
        let body = answer.json();
        assert_eq!((answer.status, body["detail"][0]["type"].as_str()), (422, Some(kind)), "{url}");
        assert_eq!(body["detail"][0]["loc"], json!(["body", "image_url"]));
    }
    let input = json!({"prompt": "p", "image_url": format!("{base}/photo.png"), "mask_url": format!("{base}/photo.png")});
    assert_eq!(world.output("fal-ai/flux-pro/v1/fill", &input).await["images"].as_array().unwrap().len(), 1);
    let submitted =
        world.submit("fal-ai/clarity-upscaler", &json!({"image_url": format!("{base}/photo.png"), "upscale_factor": 0.5})).await;
    assert_eq!(world.result(&submitted).await.status, 422);
}
