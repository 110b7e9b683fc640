use crate::world::{BUCKET, World, folder};
use jiff::{SignedDuration, Timestamp};
use local_s3::{Expired, ExpiryRule, Store, StoreError};
use std::fs;
use std::io::Read as _;
use std::time::SystemTime;

#[tokio::test]
async fn what_a_rule_covers_expires_and_abandoned_uploads_do() {
    let world = World::new().await;
    for key in ["tmp/1", "tmp/2", "kept", "tmpkept"] {
        world.put(key, b"body").await;
    }
    let create = world.client.create_multipart_upload().bucket(BUCKET).key("video");
    create.send().await.unwrap();
    let rule = ExpiryRule { prefix: "tmp/".to_owned(), days: 2 };
    world.store.create_bucket(BUCKET, &[rule]).unwrap();
    let written = Timestamp::try_from(SystemTime::now()).unwrap();
    let in_hours = |hours| written + SignedDuration::from_hours(hours);

    assert_eq!(world.store.expire(in_hours(23)).unwrap(), Expired::default());
    let after_a_day = Expired { objects: 0, uploads: 1 };
    assert_eq!(world.store.expire(in_hours(25)).unwrap(), after_a_day);
    world.put("tmp/2", b"again").await;
    let after_two_days = Expired { objects: 2, uploads: 0 };
    assert_eq!(world.store.expire(in_hours(49)).unwrap(), after_two_days);
    assert!(!world.exists("tmp/1").await && !world.exists("tmp/2").await);
    assert!(world.exists("kept").await && world.exists("tmpkept").await);
}

#[tokio::test]
async fn a_copy_of_the_object_files_is_a_store() {
    let world = World::new().await;
    for key in ["a", "a/b", "videos/1.mp4"] {
        world.put(key, key.as_bytes()).await;
    }
    let create = world.client.create_multipart_upload().bucket(BUCKET).key("unfinished");
    create.send().await.unwrap();
    let copy = folder();
    let mut count = 0;
    for object in world.store.object_files() {
        let mut object = object.unwrap();
        count += 1;
        if count == 2 {
            // While the copy goes on, what is being copied and what is still to come change.
            world.put("a", b"later").await;
            let delete = world.client.delete_object().bucket(BUCKET).key("a/b");
            delete.send().await.unwrap();
        }
        assert!(object.path.is_relative());
        let mut bytes = Vec::new();
        object.file.read_to_end(&mut bytes).unwrap();
        let target = copy.path().join(&object.path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
    assert_eq!(count, 3, "FORMAT, a and videos/1.mp4");

    let restored = Store::open(copy.path()).unwrap();
    let mut restored_files = restored.object_files();
    assert_eq!(restored_files.by_ref().filter_map(Result::ok).count(), 3);
}

#[test]
fn a_folder_belongs_to_one_process_and_one_format() {
    let dir = folder();
    let store = Store::open(dir.path()).unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Locked(_))));
    drop(store);
    fs::write(dir.path().join("tmp").join("7"), "half").unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(fs::read_dir(dir.path().join("tmp")).unwrap().count(), 0);
    fs::write(dir.path().join("FORMAT"), "2\n").unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::UnknownFormat(_))));
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_never_an_object() {
    let world = World::new().await;
    world.put("k", b"body").await;
    let path = world.dir.path().join("buckets").join(BUCKET).join("k=");
    let whole = fs::read(&path).unwrap();
    assert!(whole.starts_with(b"body"));
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let get = world.client.get_object().bucket(BUCKET).key("k").send();
    let error = get.await.unwrap_err();
    assert_eq!(crate::world::status(&error), 500);
    let code = error.into_service_error().meta().code().unwrap().to_owned();
    assert_eq!(code, "InternalError");
    // Another object's file in its place is noticed too.
    world.put("other", b"body").await;
    fs::rename(path.with_file_name("other="), &path).unwrap();
    let get = world.client.get_object().bucket(BUCKET).key("k").send();
    assert_eq!(crate::world::status(&get.await.unwrap_err()), 500);
}
