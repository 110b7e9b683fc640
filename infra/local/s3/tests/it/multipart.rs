use crate::world::{BUCKET, World, status};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::{CompleteMultipartUploadError, CompleteMultipartUploadOutput};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart};

const MIB: usize = 1024 * 1024;
const KEY: &str = "videos/1.mp4";

async fn create(world: &World, algorithm: Option<ChecksumAlgorithm>, kind: Option<ChecksumType>) -> String {
    let create = world.client.create_multipart_upload().bucket(BUCKET).key(KEY);
    let created = create.content_type("video/mp4").metadata("asset", "7").set_checksum_algorithm(algorithm).set_checksum_type(kind).send();
    created.await.unwrap().upload_id.unwrap()
}

async fn part(world: &World, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let upload = world.client.upload_part().bucket(BUCKET).key(KEY);
    let part = upload.upload_id(id).part_number(number).body(body.into()).send();
    let etag = part.await.unwrap().e_tag.unwrap();
    CompletedPart::builder().part_number(number).e_tag(etag).build()
}

async fn complete(
    world: &World,
    id: &str,
    parts: Vec<CompletedPart>,
    if_none_match: Option<&str>,
) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>> {
    let complete = world.client.complete_multipart_upload().bucket(BUCKET).key(KEY);
    complete
        .upload_id(id)
        .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
        .set_if_none_match(if_none_match.map(str::to_owned))
        .send()
        .await
}

fn bytes(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 3 + seed) as u8).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_become_one_object() {
    let world = World::new().await;
    for (algorithm, kind, composite) in [
        (None, None, true),
        (Some(ChecksumAlgorithm::Sha256), None, true),
        (Some(ChecksumAlgorithm::Crc64Nvme), Some(ChecksumType::FullObject), false),
    ] {
        let id = create(&world, algorithm.clone(), kind).await;
        let first = bytes(5 * MIB, 1);
        let second = bytes(1000, 9);
        let two = part(&world, &id, 20, second.clone()).await;
        part(&world, &id, 3, bytes(10, 2)).await;
        let one = part(&world, &id, 3, first.clone()).await;
        let listed = world.client.list_parts().bucket(BUCKET).key(KEY).upload_id(&id).max_parts(1);
        let listed = listed.send().await.unwrap();
        assert_eq!(listed.is_truncated(), Some(true));
        assert_eq!(listed.parts()[0].part_number(), Some(3));
        assert_eq!(listed.parts()[0].size(), Some(5 * MIB as i64));
        assert_eq!(listed.next_part_number_marker(), Some("3"));

        let done = complete(&world, &id, vec![one, two], None).await.unwrap();
        assert!(done.e_tag().unwrap().ends_with("-2\""));
        if algorithm.is_some() {
            let sum = done.checksum_sha256().or(done.checksum_crc64_nvme()).unwrap();
            assert_eq!(sum.ends_with("-2"), composite, "{sum}");
        }
        // The SDK checks the download against a checksum of the full object.
        assert!(world.get(KEY).await == [first, second].concat());
        let head = world.client.head_object().bucket(BUCKET).key(KEY).send().await.unwrap();
        assert_eq!(head.content_type(), Some("video/mp4"));
        assert_eq!(head.metadata().unwrap()["asset"], "7");
        let gone = world.client.list_parts().bucket(BUCKET).key(KEY).upload_id(&id).send();
        assert_eq!(status(&gone.await.unwrap_err()), 404);
    }
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn a_completion_that_cannot_be_keeps_the_upload() {
    let world = World::new().await;
    let id = create(&world, None, None).await;
    let one = part(&world, &id, 1, bytes(10, 1)).await;
    let two = part(&world, &id, 2, bytes(10, 2)).await;
    let stranger = CompletedPart::builder().part_number(2).e_tag("\"0\"").build();
    let absent = CompletedPart::builder().part_number(3).build();
    for (parts, code) in [
        (vec![one.clone(), two.clone()], "EntityTooSmall"),
        (vec![two.clone(), one.clone()], "InvalidPartOrder"),
        (vec![stranger], "InvalidPart"),
        (vec![absent], "InvalidPart"),
    ] {
        let error = complete(&world, &id, parts, None).await.unwrap_err();
        assert_eq!(error.into_service_error().meta().code(), Some(code));
    }
    world.put(KEY, b"first").await;
    let error = complete(&world, &id, vec![two.clone()], Some("*")).await.unwrap_err();
    assert_eq!(status(&error), 412);
    assert_eq!(world.get(KEY).await, b"first");
    complete(&world, &id, vec![two], None).await.unwrap();
    assert_eq!(world.get(KEY).await, bytes(10, 2));
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let world = World::new().await;
    let id = create(&world, None, None).await;
    let one = part(&world, &id, 1, bytes(10, 1)).await;
    let abort = || world.client.abort_multipart_upload().bucket(BUCKET).key(KEY).upload_id(&id).send();
    abort().await.unwrap();
    assert_eq!(status(&abort().await.unwrap_err()), 404);
    assert_eq!(status(&complete(&world, &id, vec![one], None).await.unwrap_err()), 404);
    let part = world.client.upload_part().bucket(BUCKET).key(KEY).upload_id("../../x");
    let part = part.part_number(1).body(b"x".to_vec().into()).send();
    assert_eq!(status(&part.await.unwrap_err()), 404);
    let uploads = world.dir.path().join("uploads");
    assert_eq!(std::fs::read_dir(uploads).unwrap().count(), 0);
    assert!(!world.exists(KEY).await);
}
