use crate::world::{BUCKET, World, status};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier};

#[tokio::test]
async fn ranges_are_served_and_bounded() {
    let world = World::new().await;
    world.put("k", b"0123456789").await;
    world.put("empty", b"").await;
    let get = |key: &str, range: &str| {
        let get = world.client.get_object().bucket(BUCKET).key(key);
        get.range(range).send()
    };
    for (range, body, header) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=7-100", "789", "bytes 7-9/10"),
        ("bytes=-4", "6789", "bytes 6-9/10"),
        ("bytes=-100", "0123456789", "bytes 0-9/10"),
    ] {
        let got = get("k", range).await.unwrap();
        assert_eq!(got.content_range(), Some(header), "{range}");
        assert_eq!(got.content_length(), Some(body.len() as i64));
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), body);
    }
    for (key, range) in [("k", "bytes=10-"), ("k", "bytes=-0"), ("empty", "bytes=0-"), ("empty", "bytes=-1")] {
        let error = get(key, range).await.unwrap_err();
        assert_eq!(status(&error), 416, "{key} {range}");
    }
    assert_eq!(world.get("empty").await, b"");
}

#[tokio::test]
async fn conditional_reads_answer_304_and_412() {
    let world = World::new().await;
    world.put("k", b"body").await;
    let get = || world.client.get_object().bucket(BUCKET).key("k");
    let got = get().send().await.unwrap();
    let etag = got.e_tag().unwrap().to_owned();
    let modified = *got.last_modified().unwrap();
    let before = DateTime::from_secs(modified.secs() - 1);
    let code = |outcome: Result<_, _>| match outcome {
        Ok::<aws_sdk_s3::operation::get_object::GetObjectOutput, _>(_) => 200,
        Err(error) => status(&error),
    };
    assert_eq!(code(get().if_none_match(&etag).send().await), 304);
    assert_eq!(code(get().if_none_match("\"other\"").send().await), 200);
    assert_eq!(code(get().if_modified_since(modified).send().await), 304);
    assert_eq!(code(get().if_modified_since(before).send().await), 200);
    assert_eq!(code(get().if_match(&etag).send().await), 200);
    assert_eq!(code(get().if_match("\"other\"").send().await), 412);
    assert_eq!(code(get().if_unmodified_since(before).send().await), 412);
    // An ETag is the finer statement and wins over a date.
    let get = get().if_none_match("\"other\"").if_modified_since(modified);
    assert_eq!(code(get.send().await), 200);
}

#[tokio::test]
async fn metadata_comes_back_and_copies_keep_or_replace_it() {
    let world = World::new().await;
    let put = world.client.put_object().bucket(BUCKET).key("from");
    put.body(b"body".to_vec().into())
        .content_type("image/png")
        .cache_control("public, max-age=31536000, immutable")
        .content_disposition("inline")
        .content_language("en")
        .content_encoding("gzip")
        .metadata("asset", "42")
        .send()
        .await
        .unwrap();
    let head = |key: &'static str| world.client.head_object().bucket(BUCKET).key(key).send();
    let from = head("from").await.unwrap();
    assert_eq!(from.content_type(), Some("image/png"));
    assert_eq!(from.cache_control(), Some("public, max-age=31536000, immutable"));
    assert_eq!(from.content_disposition(), Some("inline"));
    assert_eq!(from.content_language(), Some("en"));
    assert_eq!(from.content_encoding(), Some("gzip"));
    assert_eq!(from.content_length(), Some(4));
    assert_eq!(from.metadata().unwrap()["asset"], "42");

    let copy = |key: &str| {
        let copy = world.client.copy_object().copy_source("media/from");
        copy.bucket(BUCKET).key(key)
    };
    copy("kept").send().await.unwrap();
    let kept = head("kept").await.unwrap();
    assert_eq!(kept.content_type(), Some("image/png"));
    assert_eq!(kept.metadata().unwrap()["asset"], "42");
    assert_eq!(world.get("kept").await, b"body");

    copy("replaced").metadata_directive(MetadataDirective::Replace).content_type("text/plain").send().await.unwrap();
    let replaced = head("replaced").await.unwrap();
    assert_eq!(replaced.content_type(), Some("text/plain"));
    assert_eq!(replaced.cache_control(), None);
    assert_eq!(status(&copy("from").send().await.unwrap_err()), 400);

    let put = world.client.put_object().bucket(BUCKET).key("much");
    let put = put.metadata("much", "x".repeat(2100)).send().await;
    assert_eq!(status(&put.unwrap_err()), 400);
    assert!(!world.exists("much").await);
}

#[tokio::test]
async fn deleting_is_idempotent_one_by_one_and_many_at_once() {
    let world = World::new().await;
    for key in ["a", "a/b", "c"] {
        world.put(key, b"body").await;
    }
    let delete = |key: &'static str| world.client.delete_object().bucket(BUCKET).key(key).send();
    delete("a").await.unwrap();
    delete("a").await.unwrap();
    assert!(!world.exists("a").await && world.exists("a/b").await);

    let named = ["a/b", "c", "never-there"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(named.to_vec())).build().unwrap();
    let many = world.client.delete_objects().bucket(BUCKET).delete(delete);
    let many = many.send().await.unwrap();
    assert_eq!((many.deleted().len(), many.errors().len()), (3, 0));
    let left = world.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(left.key_count(), Some(0));
}

#[tokio::test]
async fn buckets_are_named_and_unknown_ones_are_404() {
    let world = World::new().await;
    world.store.create_bucket("uploads", &[]).unwrap();
    let buckets = world.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().filter_map(|one| one.name()).collect();
    assert_eq!(names, ["media", "uploads"]);
    world.client.head_bucket().bucket(BUCKET).send().await.unwrap();
    world.client.get_bucket_location().bucket(BUCKET).send().await.unwrap();
    let error = world.client.head_bucket().bucket("nowhere").send().await.unwrap_err();
    assert_eq!(status(&error), 404);
    let put = world.client.put_object().bucket("nowhere").key("k").send();
    assert_eq!(status(&put.await.unwrap_err()), 404);
    let get = world.client.get_object().bucket(BUCKET).key("nothing").send();
    assert!(get.await.unwrap_err().into_service_error().is_no_such_key());
    assert!(world.store.create_bucket("Not_A_Bucket", &[]).is_err());
    assert!(world.store.create_bucket("../x", &[]).is_err());
}
