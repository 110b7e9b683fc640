use crate::world::{BUCKET, World, status};
use futures_util::future::join_all;

/// Enough to meet each order in which the racers can come by the store's steps.
const ROUNDS: usize = 1000;
const RACERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_conditional_puts_exactly_one_wins() {
    let world = World::new().await;
    for round in 0..ROUNDS {
        let key = format!("round/{round}");
        let puts = (0..RACERS).map(|racer| {
            let put = world.client.put_object().bucket(BUCKET).key(&key);
            put.if_none_match("*").body(format!("{round} {racer}").into_bytes().into()).send()
        });
        let outcomes = join_all(puts).await;
        let winners: Vec<usize> = (0..RACERS).filter(|&one| outcomes[one].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        for error in outcomes.iter().filter_map(|one| one.as_ref().err()) {
            assert_eq!(status(error), 412, "round {round}");
        }
        if round % 10 == 0 {
            let body = world.get(&key).await;
            assert_eq!(body, format!("{round} {}", winners[0]).into_bytes());
        }
    }
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn if_match_replaces_only_the_version_that_was_read() {
    let world = World::new().await;
    let put = |body: &str, etag: Option<String>| {
        let put = world.client.put_object().bucket(BUCKET).key("counter");
        put.set_if_match(etag).body(body.to_owned().into_bytes().into()).send()
    };
    assert_eq!(status(&put("x", Some("\"none\"".to_owned())).await.unwrap_err()), 404);
    let mut etag = put("start", None).await.unwrap().e_tag.unwrap();
    for round in 0..50 {
        let bodies: Vec<String> = (0..4).map(|racer| format!("{round} {racer}")).collect();
        let outcomes = join_all(bodies.iter().map(|body| put(body, Some(etag.clone())))).await;
        let mut won = outcomes.into_iter().filter_map(|outcome| match outcome {
            Ok(output) => output.e_tag,
            Err(error) => {
                assert_eq!(status(&error), 412);
                None
            }
        });
        etag = won.next().expect("a winner");
        assert_eq!(won.next(), None, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_and_deletes_of_neighbours_do_not_disturb_each_other() {
    let world = World::new().await;
    // Deleting the last key of a folder removes the folder, under the feet of whoever is about to use it.
    let work = (0..8).map(|one| {
        let world = &world;
        async move {
            for round in 0..25 {
                let key = format!("a/b/c/{one}");
                world.put(&key, format!("{round}").as_bytes()).await;
                assert_eq!(world.get(&key).await, format!("{round}").as_bytes());
                let delete = world.client.delete_object().bucket(BUCKET).key(&key);
                delete.send().await.unwrap();
                assert!(!world.exists(&key).await);
            }
        }
    });
    join_all(work).await;
    let bucket = world.dir.path().join("buckets").join(BUCKET);
    assert_eq!(std::fs::read_dir(bucket).unwrap().count(), 0);
}
