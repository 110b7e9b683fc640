use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::*;
use secrecy::ExposeSecret as _;
use shared::auth::operator::OperatorError;
use shared::domain::user::{Role, Scope, Status};

use crate::data_folder::{DataFolder, ProvidedSecrets};
use crate::{Edition, Options, SignInClient};

/// A data folder with something of every kind, open, as while the edition runs.
fn folder(root: &Path) -> (DataFolder, rusqlite::Connection) {
    let folder = DataFolder::open(root).unwrap();
    folder.secrets(&ProvidedSecrets::default()).unwrap();
    let table = rusqlite::Connection::open(folder.table()).unwrap();
    table.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (42);").unwrap();
    for (name, text) in [("buckets/media/a=", "object"), ("tmp/half", "x"), ("uploads/1/upload.json", "{}"), ("lock", "")] {
        let path = folder.objects().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.provider().join("state.json"), "{}").unwrap();
    (folder, table)
}

#[test]
fn a_folder_that_is_in_use_comes_back_whole() {
    let place = tempfile::tempdir().unwrap();
    let (data, backup_file, restored) = (place.path().join("data"), place.path().join("b.tar"), place.path().join("new/data"));
    let (open, _table) = folder(&data);
    backup(&data, &backup_file).unwrap();
    assert_eq!(fs::metadata(&backup_file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2, "nothing else is left behind");

    restore(&backup_file, &restored).unwrap();
    let again = DataFolder::open(&restored).unwrap();
    let table = rusqlite::Connection::open(again.table()).unwrap();
    assert_eq!(table.query_row("SELECT v FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 42);
    assert_eq!(fs::read_to_string(again.objects().join("buckets/media/a=")).unwrap(), "object");
    assert_eq!(fs::read_to_string(again.provider().join("state.json")).unwrap(), "{}");
    assert_eq!(fs::read(again.secrets_file()).unwrap(), fs::read(open.secrets_file()).unwrap());
    assert_eq!(fs::metadata(again.secrets_file()).unwrap().mode() & 0o777, 0o600);
    for unfinished in ["tmp", "uploads", "lock"] {
        assert!(!again.objects().join(unfinished).exists(), "{unfinished}");
    }
}

#[test]
fn a_backup_replaces_nothing_and_needs_a_data_folder() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let target = place.path().join("b.tar");
    assert!(matches!(backup(&data, &target), Err(BackupError::DataFolder(_))));
    let (_open, _table) = folder(&data);
    fs::write(&target, "precious").unwrap();
    assert!(matches!(backup(&data, &target), Err(BackupError::Exists(_))));
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(matches!(backup(&data, &place.path().join("absent/b.tar")), Err(BackupError::Unusable { .. })));
}

#[test]
fn a_restore_mixes_with_nothing() {
    let place = tempfile::tempdir().unwrap();
    let (data, target) = (place.path().join("data"), place.path().join("b.tar"));
    let (_open, _table) = folder(&data);
    backup(&data, &target).unwrap();
    assert!(matches!(restore(&target, &data), Err(RestoreError::NotEmpty(_))));
    let empty = place.path().join("empty");
    fs::create_dir(&empty).unwrap();
    restore(&target, &empty).unwrap();
    assert!(empty.join("VERSION").is_file());
}

/// A backup with these entries.
fn archive(path: &Path, entries: &[(&str, tar::EntryType, &str)]) {
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        // Written past the checks of the library, as somebody with bad intentions would.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.finish().unwrap();
}

#[test]
fn what_isnt_a_backup_is_refused_and_leaves_nothing() {
    use tar::EntryType::{Regular, Symlink};
    let place = tempfile::tempdir().unwrap();
    let (source, target) = (place.path().join("b.tar"), place.path().join("data"));
    for entries in [
        &[("VERSION", Regular, "1"), ("../outside", Regular, "x")][..],
        &[("VERSION", Regular, "1"), ("/tmp/outside-of-it", Regular, "x")],
        &[("VERSION", Regular, "1"), ("link", Symlink, "")],
        &[("secrets.json", Regular, "{}")],
        &[("VERSION", Regular, "one")],
        &[("VERSION", Regular, "2")],
    ] {
        archive(&source, entries);
        restore(&source, &target).unwrap_err();
        assert!(!target.exists() && !place.path().join("outside").exists());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "{entries:?}");
    }
    fs::write(&source, "not a tar file, but long enough to hold half a header".repeat(20)).unwrap();
    assert!(matches!(restore(&source, &target), Err(RestoreError::NotABackup { .. })));
    assert!(matches!(restore(&place.path().join("absent"), &target), Err(RestoreError::Unusable { .. })));
}

#[test]
fn a_newer_backup_is_named_as_such() {
    let place = tempfile::tempdir().unwrap();
    archive(&place.path().join("b.tar"), &[("VERSION", tar::EntryType::Regular, "7")]);
    let error = restore(&place.path().join("b.tar"), &place.path().join("data")).unwrap_err();
    assert!(matches!(error, RestoreError::Newer { found: 7, .. }));
}

#[tokio::test]
async fn tokens_and_admins_are_made_whether_the_edition_runs_or_not() {
    let place = tempfile::tempdir().unwrap();
    let options = Options::new(place.path().join("data"));
    let scopes = vec![Scope::Read, Scope::Generate];
    let at = Place::from(options.clone());
    let error = at.make_token("ada@example.com", scopes.clone()).await.unwrap_err();
    assert!(error.to_string().contains("no data folder"), "{error}");

    let edition = Edition::start(options.clone(), crate::edge::tests::connect).await.unwrap();
    let first = at.make_token("Ada@example.com", scopes.clone()).await.unwrap();
    let admin = at.set_role("ada@example.com", Role::Admin).await.unwrap();
    edition.shutdown().await;

    let second = at.make_token("ada@example.com", scopes.clone()).await.unwrap();
    assert_ne!(first.expose_secret(), second.expose_secret());
    let listed = at.admins().await.unwrap();
    assert_eq!(listed.iter().map(|user| user.id).collect::<Vec<_>>(), [admin.id], "the same person, with and without the edition");
    at.set_role("ada@example.com", Role::User).await.unwrap();
    assert!(at.admins().await.unwrap().is_empty());
    let error = at.make_token("not an address", scopes).await.unwrap_err();
    assert!(matches!(error, OperateError::Operator(OperatorError::NotAnAddress(_))), "{error}");
}

#[tokio::test]
async fn a_table_that_isnt_in_a_folder_is_worked_on_by_name() {
    let place = tempfile::tempdir().unwrap();
    let options = Options::new(place.path().join("data"));
    let edition = Edition::start(options.clone(), crate::edge::tests::connect).await.unwrap();
    let folder = Place::from(options);
    folder.make_token("ada@example.com", vec![Scope::Read]).await.unwrap();
    let env = edition.any_environment().unwrap();
    let variables = ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"];
    let variables: shared::config::Env = variables.into_iter().map(|name| (name.to_owned(), env.get(name).unwrap().to_owned())).collect();
    let table = Place::Table { name: env.get("TABLE_NAME").unwrap().to_owned(), variables };
    // Who hasn't signed in is nobody here: what the issuer would call them isn't known.
    let error = table.set_role("bob@example.com", Role::Admin).await.unwrap_err();
    assert!(matches!(error, OperateError::Operator(OperatorError::Nobody(_))), "{error}");
    let ada = table.set_role("ada@example.com", Role::Admin).await.unwrap();
    assert_eq!(folder.admins().await.unwrap().iter().map(|user| user.id).collect::<Vec<_>>(), [ada.id]);
    assert!(describe(&table.user("ada@example.com").await.unwrap()).contains("role: admin\nstatus: active"));
    table.suspend("ada@example.com").await.unwrap();
    assert_eq!(folder.user(&ada.id.to_string()).await.unwrap().status, Status::Suspended);
    table.restore("ada@example.com").await.unwrap();
    let deletes_at = table.delete("ada@example.com").await.unwrap();
    let leaving = folder.user("ada@example.com").await.unwrap();
    assert_eq!((leaving.status, leaving.deletes_at), (Status::Deleting, Some(deletes_at)));
    assert_eq!(table.restore("ada@example.com").await.unwrap().status, Status::Active);
    let error = Place::Table { name: "t".to_owned(), variables: shared::config::Env::default() }.admins().await.unwrap_err();
    assert!(error.to_string().contains("AWS_REGION"), "{error}");
    edition.shutdown().await;
}

#[tokio::test]
async fn with_a_real_issuer_people_sign_in_first() {
    let place = tempfile::tempdir().unwrap();
    let sign_in = Some(SignInClient { issuer: crate::GOOGLE.to_owned(), id: "id".to_owned(), secret: "secret".to_owned().into() });
    let options = Options { sign_in, ..Options::new(place.path().join("data")) };
    Edition::start(options.clone(), crate::edge::tests::connect).await.unwrap().shutdown().await;
    let error = Place::from(options).set_role("ada@example.com", Role::Admin).await.unwrap_err();
    assert!(matches!(error, OperateError::Operator(OperatorError::Nobody(_))), "{error}");
}
