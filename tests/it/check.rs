//! What `check` says about services that speak the real protocols.

use local::check::{Mark, Outside, check};
use local::edge::PublicOrigin;
use local::{GOOGLE, Options, SignInClient};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn good_credentials_work_and_bad_ones_are_named() {
    let world = World::start().await;
    let origin = world.edition.origin();
    let outside = Outside {
        issuer: format!("{origin}/dev/issuer"),
        queue: format!("{origin}/dev/fal").parse().unwrap(),
        keys: format!("{origin}/dev/fal/.well-known/jwks.json").parse().unwrap(),
    };
    let secret = |name: &str| world.secret(name).into();
    let options = |fal_key: &str, client_secret: &str| Options {
        origin: Some(PublicOrigin::parse(origin).unwrap()),
        fal_key: Some(if fal_key.is_empty() { secret("fal_key") } else { fal_key.to_owned().into() }),
        sign_in: Some(SignInClient {
            issuer: GOOGLE.to_owned(),
            id: "local".to_owned(),
            secret: if client_secret.is_empty() { secret("oidc_client_secret") } else { client_secret.to_owned().into() },
        }),
        ..Options::new(world.data())
    };
    let marks = async |options: &Options| {
        let findings = check(options, &outside).await;
        let all: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        assert!(!all.contains("wrong-secret"), "{all}");
        (findings.iter().map(|finding| (finding.subject, finding.mark)).collect::<Vec<_>>(), all)
    };

    let (found, all) = marks(&options("", "")).await;
    let callbacks = ("callbacks", Mark::Absent);
    assert_eq!(
        found,
        [("data", Mark::Works), ("address", Mark::Works), ("sign-in", Mark::Works), ("provider", Mark::Works), callbacks],
        "{all}"
    );
    assert!(all.contains("in use by a running edition"), "{all}");

    let (found, all) = marks(&options("id:wrong-secret", "wrong-secret")).await;
    assert_eq!(found[2..4], [("sign-in", Mark::Fails), ("provider", Mark::Fails)], "{all}");

    let nothing = Options { port: 1, ..Options::new(world.data().join("none")) };
    let (found, all) = marks(&nothing).await;
    assert!(found.iter().all(|(_, mark)| *mark == Mark::Absent), "{all}");
    world.shutdown().await;
}
