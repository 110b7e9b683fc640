use std::collections::BTreeMap;

use url::Url;

use super::*;
use crate::media::store::tests::media;

fn query(url: &str) -> BTreeMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

#[tokio::test]
async fn an_upload_is_bound_to_its_bytes() {
    let media = media(Default::default());
    let now: Timestamp = "2026-11-23T01:02:03Z".parse().unwrap();
    let signed = media.presign_put("in/0190", "image/png", 12_345, &[7; 32], now, Duration::from_secs(300)).await.unwrap();
    assert!(signed.url.starts_with("https://public.example/uploads/in/0190?"), "path-style, at the public endpoint: {}", signed.url);
    let query = query(&signed.url);
    assert_eq!(query["X-Amz-Expires"], "300");
    assert_eq!(query["X-Amz-Date"], "20261123T010203Z");
    let bound: Vec<&str> = query["X-Amz-SignedHeaders"].split(';').collect();
    for header in ["content-length", "content-type", "host"] {
        assert!(bound.contains(&header), "{header} in {bound:?}");
    }
    let checksum = STANDARD.encode([7; 32]);
    // As a header, not as a parameter: S3 holds the bytes against a header only.
    assert!(bound.contains(&"x-amz-checksum-sha256"), "{bound:?}");
    assert_eq!(signed.headers["x-amz-checksum-sha256"], checksum);
    assert_eq!(signed.headers["content-type"], "image/png");
    assert!(!signed.headers.contains_key("content-length"), "a page can't send it");
}

#[tokio::test]
async fn a_download_is_called_what_we_say() {
    let media = media(Default::default());
    let now: Timestamp = "2026-11-23T01:02:03Z".parse().unwrap();
    let url =
        media.presign_get(Bucket::Media, "exports/p/1.zip", Some("my \"export\"\r\n.zip"), now, Duration::from_secs(60)).await.unwrap();
    assert!(url.starts_with("https://public.example/media-bucket/exports/p/1.zip?"), "{url}");
    assert_eq!(query(&url)["response-content-disposition"], "attachment; filename=\"my _export___.zip\"");
}
