use std::os::unix::fs::MetadataExt;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_new_folder_belongs_to_its_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("deep/data");
    let folder = DataFolder::open(&root).unwrap();
    folder.secrets(&ProvidedSecrets::default()).unwrap();
    folder.publish(&Endpoints { origin: "http://localhost:1".to_owned(), environment: [].into() }).unwrap();
    assert_eq!(mode(folder.root()), 0o700);
    assert_eq!(mode(&folder.secrets_file()), 0o600);
    assert_eq!(mode(&folder.root().join("endpoints.json")), 0o600);
    assert_eq!(read_version(&root).unwrap(), Some(VERSION));
    assert!(folder.objects().is_dir() && folder.provider().is_dir());
}

#[test]
fn two_instances_cant_share_a_folder() {
    let parent = tempfile::tempdir().unwrap();
    let first = DataFolder::open(parent.path()).unwrap();
    assert!(matches!(DataFolder::open(parent.path()), Err(DataFolderError::Locked(_))));
    drop(first);
    DataFolder::open(parent.path()).unwrap();
}

#[test]
fn a_newer_or_foreign_or_damaged_folder_is_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    let newer = parent.path().join("newer");
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join("VERSION"), "2\n").unwrap();
    assert!(matches!(DataFolder::open(&newer), Err(DataFolderError::Newer { found: 2, .. })));
    assert_eq!(fs::read_to_string(newer.join("VERSION")).unwrap(), "2\n");

    let foreign = parent.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "mine").unwrap();
    assert!(matches!(DataFolder::open(&foreign), Err(DataFolderError::Foreign(_))));
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1, "nothing was added");

    let damaged = parent.path().join("damaged");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("VERSION"), "one").unwrap();
    assert!(matches!(DataFolder::open(&damaged), Err(DataFolderError::Damaged { .. })));
}

#[test]
fn a_file_in_the_way_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = DataFolder::open(&file).unwrap_err();
    assert!(matches!(error, DataFolderError::Unusable { .. }));
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_first_start_that_was_killed_can_be_repeated() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("lock"), "").unwrap();
    fs::write(parent.path().join(".tmp-VERSION"), "").unwrap();
    let folder = DataFolder::open(parent.path()).unwrap();
    assert!(!folder.root().join(".tmp-VERSION").exists());
}

#[test]
fn operators_dont_create_folders() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("absent");
    assert!(matches!(DataFolder::open_existing(&root), Err(DataFolderError::Absent(_))));
    assert!(!root.exists());
}

#[test]
fn secrets_stay_and_provided_ones_come_and_go() {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(parent.path()).unwrap();
    let first = folder.secrets(&ProvidedSecrets::default()).unwrap();
    let provided = ProvidedSecrets { fal_key: Some("id:real".to_owned()), oidc_client_secret: None };
    let real = folder.secrets(&provided).unwrap();
    assert_eq!(real.fal_key, "id:real");
    assert_eq!(real.oidc_client_secret, first.oidc_client_secret);
    let file: serde_json::Value = serde_json::from_slice(&fs::read(folder.secrets_file()).unwrap()).unwrap();
    assert_eq!(file["fal_key"], "id:real");
    assert_eq!(file["webhook_mac_key"].as_str().unwrap().len(), 64);
    let again = folder.secrets(&ProvidedSecrets::default()).unwrap();
    assert_eq!(again.fal_key, first.fal_key, "the stand-in's key came back");
    assert_eq!(again.media_signing_key, first.media_signing_key);
    assert!(again.media_public_key_pem().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
}

#[test]
fn a_key_that_is_exchanged_stays_good_once() {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(parent.path()).unwrap();
    assert!(matches!(exchange_key(parent.path(), OWN_KEYS[0]), Err(DataFolderError::Unusable { .. })), "before the first start");
    folder.secrets(&ProvidedSecrets::default()).unwrap();
    let file = || serde_json::from_slice::<serde_json::Value>(&fs::read(folder.secrets_file()).unwrap()).unwrap();
    for key in OWN_KEYS {
        let (before, previous) = (file(), format!("{key}_previous"));
        exchange_key(parent.path(), key).unwrap();
        assert_ne!(file()[key], before[key]);
        assert_eq!(file()[&previous], before[key]);
        assert_eq!(file()["fal_key"], before["fal_key"], "and nothing else");
    }
    assert_eq!(fs::metadata(folder.secrets_file()).unwrap().permissions().mode() & 0o777, 0o600);
    folder.secrets(&ProvidedSecrets::default()).unwrap();
}

#[test]
fn damaged_secrets_are_not_replaced() {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(parent.path()).unwrap();
    fs::write(folder.secrets_file(), "{\"media_signing_key\": \"no\"}").unwrap();
    assert!(matches!(folder.secrets(&ProvidedSecrets::default()), Err(DataFolderError::Damaged { .. })));
    assert_eq!(fs::read_to_string(folder.secrets_file()).unwrap(), "{\"media_signing_key\": \"no\"}");
}

#[test]
fn endpoints_are_told_and_taken_back() {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(parent.path()).unwrap();
    assert!(running_endpoints(parent.path()).is_err());
    let environment = [("TABLE_NAME".to_owned(), "records".to_owned())].into();
    folder.publish(&Endpoints { origin: "http://localhost:8080".to_owned(), environment }).unwrap();
    let read = running_endpoints(parent.path()).unwrap();
    assert_eq!((read.origin.as_str(), read.environment["TABLE_NAME"].as_str()), ("http://localhost:8080", "records"));
    folder.withdraw();
    assert!(running_endpoints(parent.path()).is_err());
}
