use aws_sdk_s3::primitives::ByteStream;
use http::{Method, Request, header};
use shared::config::Env;
use tokio::sync::watch;

use super::*;
use crate::edition::TEMPLATE;

struct World {
    folder: DataFolder,
    services: Services,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl World {
    async fn start(root: &Path) -> Self {
        let folder = DataFolder::open(root).unwrap();
        let template = Template::parse(TEMPLATE).unwrap();
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let services = Services::start(&folder, &template, &mut tasks, &stopping).await.unwrap();
        Self { folder, services, stop, tasks }
    }

    /// Ends as a crash does, but for what only the system cleans up.
    async fn end(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        drop((self.services, self.folder));
    }

    fn env(&self) -> Env {
        self.services.sdk.clone().into_iter().collect()
    }

    /// Asks the table without a signature, or with somebody's.
    async fn ask(&self, authorization: Option<&str>) -> (u16, String) {
        let endpoint = self.env().get("AWS_ENDPOINT_URL_DYNAMODB").unwrap().to_owned();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/")
            .header(header::HOST, endpoint.trim_start_matches("http://"))
            .header("x-amz-target", "DynamoDB_20120810.DescribeTable")
            .header("x-amz-date", "20260102T030405Z");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let stream = tokio::net::TcpStream::connect(endpoint.trim_start_matches("http://")).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request.body(axum::body::Body::from("{}")).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn s3(world: &World) -> aws_sdk_s3::Client {
    let env = world.env();
    let text = |name: &str| env.get(name).unwrap().to_owned();
    let credentials = aws_sdk_s3::config::Credentials::new(text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"), None, None, "test");
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_s3::config::Region::new(REGION))
        .credentials_provider(credentials)
        .endpoint_url(text("AWS_ENDPOINT_URL_S3"))
        .http_client(http)
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

fn table(world: &World) -> aws_sdk_dynamodb::Client {
    let env = world.env();
    let text = |name: &str| env.get(name).unwrap().to_owned();
    let credentials =
        aws_sdk_dynamodb::config::Credentials::new(text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"), None, None, "test");
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_dynamodb::config::Region::new(REGION))
        .credentials_provider(credentials)
        .endpoint_url(text("AWS_ENDPOINT_URL_DYNAMODB"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
}

#[tokio::test]
async fn the_table_is_the_templates_and_keeps_what_is_written() {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let place = tempfile::tempdir().unwrap();
    let world = World::start(place.path()).await;
    let client = table(&world);
    let described = client.describe_table().table_name(TABLE).send().await.unwrap().table.unwrap();
    assert_eq!(described.global_secondary_indexes()[0].index_name(), Some("gsi1"));
    let put = || {
        let item = client.put_item().table_name(TABLE).item("pk", S("a".to_owned())).item("sk", S("b".to_owned()));
        item.condition_expression("attribute_not_exists(pk)")
    };
    put().send().await.unwrap();
    let refused = put().send().await.unwrap_err().into_service_error();
    assert!(refused.is_conditional_check_failed_exception(), "{refused:?}");
    world.end().await;

    let world = World::start(place.path()).await;
    let found = table(&world).get_item().table_name(TABLE).key("pk", S("a".to_owned())).key("sk", S("b".to_owned())).send().await;
    assert!(found.unwrap().item.is_some());

    // What DynamoDB refuses must not work here.
    let list = |from: &str| {
        let query = table(&world).query().table_name(TABLE).key_condition_expression("pk = :p AND begins_with(sk, :s)");
        query.expression_attribute_values(":p", S("a".to_owned())).expression_attribute_values(":s", S(from.to_owned())).send()
    };
    assert_eq!(list("b").await.unwrap().count, 1);
    let refused = list("").await.unwrap_err().into_service_error();
    assert_eq!(aws_sdk_dynamodb::error::ProvideErrorMetadata::code(&refused), Some("ValidationException"));
    world.end().await;
}

#[tokio::test]
async fn only_this_starts_credentials_open_the_table() {
    let place = tempfile::tempdir().unwrap();
    let world = World::start(place.path()).await;
    let (status, body) = world.ask(None).await;
    assert_eq!(status, 400);
    assert!(body.contains("MissingAuthenticationToken"), "{body}");
    let key = world.env().get("AWS_ACCESS_KEY_ID").unwrap().to_owned();
    let forged = |key: &str| {
        format!(
            "AWS4-HMAC-SHA256 Credential={key}/20260102/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature={}",
            "0".repeat(64)
        )
    };
    let (_, body) = world.ask(Some(&forged("AKIAEXAMPLE"))).await;
    assert!(body.contains("UnrecognizedClient"), "{body}");
    let (_, body) = world.ask(Some(&forged(&key))).await;
    assert!(body.contains("InvalidSignature"), "{body}");
    world.end().await;
}

#[tokio::test]
async fn buckets_and_queues_are_the_templates() {
    let place = tempfile::tempdir().unwrap();
    let world = World::start(place.path()).await;
    let client = s3(&world);
    for bucket in [MEDIA_BUCKET, UPLOADS_BUCKET] {
        client.put_object().bucket(bucket).key("media/k").body(ByteStream::from_static(b"bytes")).send().await.unwrap();
    }
    let read = client.get_object().bucket(MEDIA_BUCKET).key("media/k").send().await.unwrap();
    assert_eq!(read.body.collect().await.unwrap().into_bytes().as_ref(), b"bytes");
    let info = world.services.queues.info("results").await.unwrap();
    assert_eq!(info.settings.visibility_timeout, 1_800);
    assert_eq!(info.settings.redrive.unwrap().dead_letter_queue, "results-dead-letter");
    world.end().await;
}

#[tokio::test]
async fn a_message_that_was_being_worked_on_comes_again_after_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let world = World::start(place.path()).await;
    world.services.queues.send("results", local_sqs::Outgoing::new("x")).await.unwrap();
    world.services.queues.receive("results", &local_sqs::Receive::default()).await.unwrap();
    world.end().await;
    let world = World::start(place.path()).await;
    assert_eq!(world.services.queues.depths("results").await.unwrap().visible, 1);
    world.end().await;
}

#[tokio::test]
async fn credentials_are_new_at_each_start() {
    let place = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let world = World::start(place.path()).await;
        seen.push(world.env().get("AWS_SECRET_ACCESS_KEY").unwrap().to_owned());
        world.end().await;
    }
    assert_ne!(seen[0], seen[1]);
}
