use super::*;
use crate::data_folder::running_endpoints;
use crate::edge::tests::connect;
use crate::functions::Functions;

#[tokio::test]
async fn it_says_where_it_is_while_it_runs_and_leaves_a_free_folder() {
    let place = tempfile::tempdir().unwrap();
    let edition = Edition::start(Options::new(place.path()), connect).await.unwrap();
    let endpoints = running_endpoints(place.path()).unwrap();
    assert_eq!(endpoints.origin, edition.origin());
    assert!(endpoints.environment["SECRETS"].starts_with("file:/"));
    assert!(matches!(DataFolder::open(place.path()), Err(DataFolderError::Locked(_))));
    edition.shutdown().await;
    assert!(running_endpoints(place.path()).is_err());
    DataFolder::open(place.path()).unwrap();
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_nothing_is_made() {
    let place = tempfile::tempdir().unwrap();
    let first = Edition::start(Options::new(place.path().join("one")), connect).await.unwrap();
    let port: u16 = first.origin().rsplit(':').next().unwrap().parse().unwrap();
    let second = Options { port, ..Options::new(place.path().join("two")) };
    let error = Edition::start(second, connect).await.unwrap_err();
    assert!(matches!(error, StartError::PortInUse(p) if p == port), "{error}");
    assert!(!place.path().join("two").exists());
    let same = Edition::start(Options::new(place.path().join("one")), connect).await.unwrap_err();
    assert!(matches!(same, StartError::DataFolder(DataFolderError::Locked(_))), "{same}");
    first.shutdown().await;
}

#[tokio::test]
async fn code_that_isnt_there_keeps_it_from_starting_and_frees_everything() {
    let place = tempfile::tempdir().unwrap();
    let error = Edition::start(Options::new(place.path()), |_, _| Ok(Functions::new())).await.unwrap_err();
    assert!(error.to_string().contains("the function auth has no code"), "{error}");
    Edition::start(Options::new(place.path()), connect).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn stand_ins_stay_on_localhost() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("data");
    let origin = Some(PublicOrigin::parse("https://images.example.com").unwrap());
    let sign_in = Some(SignInClient { issuer: crate::GOOGLE.to_owned(), id: "id".to_owned(), secret: "secret".to_owned().into() });
    let fal_key: Option<SecretString> = Some("id:key".to_owned().into());
    for (sign_in, fal_key, remedy) in [(None, fal_key.clone(), "GOOGLE_CLIENT_ID"), (sign_in.clone(), None, "FAL_KEY")] {
        let options = Options { origin: origin.clone(), sign_in, fal_key, ..Options::new(&root) };
        let error = Edition::start(options, connect).await.unwrap_err();
        assert!(error.to_string().contains(remedy), "{error}");
    }
    assert!(!root.exists());
    let edition = Edition::start(Options { origin, sign_in, fal_key, ..Options::new(&root) }, connect).await.unwrap();
    let environment = edition.environment("generate").unwrap();
    assert_eq!(environment.get("OIDC_ISSUER"), Some("https://accounts.google.com"));
    assert_eq!((environment.get("OIDC_CLIENT_ID"), environment.get("FAL_QUEUE_URL")), (Some("id"), Some("https://queue.fal.run")));
    assert_eq!(environment.get("PUBLIC_ORIGIN"), Some("https://images.example.com"));
    edition.shutdown().await;
}

#[tokio::test]
async fn functions_get_the_templates_variables_and_this_homes() {
    let place = tempfile::tempdir().unwrap();
    let variables = BTreeMap::from([("LIMIT_RUNNING_CALLS".to_owned(), "7".to_owned())]);
    let edition = Edition::start(Options { variables, ..Options::new(place.path()) }, connect).await.unwrap();
    let environment = edition.environment("worker").unwrap();
    assert_eq!(environment.get("HOME_KIND"), Some("local"));
    assert_eq!(environment.get("LIMIT_RUNNING_CALLS"), Some("7"));
    assert_eq!(environment.get("S3_PUBLIC_ENDPOINT"), Some(edition.origin()));
    assert!(environment.get("TASKS_QUEUE_URL").unwrap().ends_with("/tasks"));
    shared::config::Config::from_env(environment).unwrap();
    edition.shutdown().await;
}
