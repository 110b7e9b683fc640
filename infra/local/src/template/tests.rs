use super::*;

/// The template that is deployed.
const DEPLOYED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));

fn values() -> LocalValues {
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    LocalValues {
        parameters: text(&[("PublicOrigin", "http://localhost:8080"), ("OidcClientId", "local"), ("MediaPublicKey", "pem")]),
        resources: text(&[
            ("Table", "records"),
            ("MediaBucket", "downloads"),
            ("UploadsBucket", "uploads"),
            ("UploadsBucket.RegionalDomainName", "uploads.invalid"),
            ("ResultsQueue", "http://q/results"),
            ("VideosQueue", "http://q/videos"),
            ("TasksQueue", "http://q/tasks"),
            ("MediaSigningKey", "local"),
        ]),
    }
}

#[test]
fn the_deployed_template_is_understood() {
    let template = Template::parse(DEPLOYED).unwrap();
    let names: Vec<_> = template.functions.keys().map(String::as_str).collect();
    assert_eq!(names, ["admin", "auth", "generate", "ingest", "library", "redirect", "thumbnailer", "webhook", "worker"]);
    assert_eq!(template.functions["auth"].timeout, Duration::from_secs(10), "from Globals");
    assert_eq!(template.functions["worker"].timeout, Duration::from_secs(600), "its own");
    assert_eq!(
        template.schedules,
        [Schedule { name: "WorkerFunctionTick".to_owned(), function: "worker".to_owned(), every: Duration::from_secs(60) }]
    );
    assert_eq!(template.table.ttl_attribute.as_deref(), Some("ttl"));
    assert_eq!(template.table.definition["GlobalSecondaryIndexes"][0]["Projection"]["ProjectionType"], "KEYS_ONLY");
    let expiry = |name: &str| template.buckets.iter().find(|bucket| bucket.logical_id == name).unwrap().expiry.clone();
    assert_eq!(expiry("UploadsBucket"), [Expiry { prefix: String::new(), days: 1 }]);
    assert_eq!(expiry("MediaBucket"), [Expiry { prefix: "exports/".to_owned(), days: 7 }], "and nothing of the library");
}

#[test]
fn every_queue_that_wakes_a_function_has_a_dead_letter_queue_and_time_enough() {
    let template = Template::parse(DEPLOYED).unwrap();
    assert_eq!(template.mappings.len(), 3);
    for mapping in &template.mappings {
        let queue = template.queues.iter().find(|queue| queue.logical_id == mapping.queue).unwrap();
        let function = &template.functions[&mapping.function];
        assert!(queue.visibility_timeout >= 6 * function.timeout, "{}", queue.name);
        let (dead, times) = queue.dead_letter.clone().unwrap();
        assert_eq!(times, 5);
        let dead = template.queues.iter().find(|queue| queue.logical_id == dead).unwrap();
        assert!(dead.retention > queue.retention && dead.dead_letter.is_none());
        assert_eq!(dead.name, format!("{}-dead-letter", queue.name));
    }
}

#[test]
fn routes_lead_where_the_table_of_functions_says() {
    let routes = Template::parse(DEPLOYED).unwrap().routes;
    let check = |method: http::Method, path: &str, function: &str| {
        assert_eq!(routes.find(&method, path).unwrap().0.function, function, "{method} {path}");
    };
    for path in ["/auth/login", "/api/v1/me", "/api/v1/sessions/x", "/api/v1/tokens", "/api/v1/exports/x"] {
        check(http::Method::GET, path, "auth");
    }
    check(http::Method::GET, "/api/v1/models/flux", "generate");
    check(http::Method::POST, "/api/v1/generations", "generate");
    check(http::Method::POST, "/api/v1/generations/estimate", "generate");
    check(http::Method::POST, "/api/v1/generations/x/cancel", "generate");
    check(http::Method::GET, "/api/v1/generations", "library");
    check(http::Method::GET, "/api/v1/generations/x", "library");
    check(http::Method::PUT, "/api/v1/generations/x", "library");
    for path in ["/api/v1/health", "/docs", "/api/v1/assets/x", "/api/v1/ledger", "/api/v1/nothing"] {
        check(http::Method::GET, path, "library");
    }
    check(http::Method::POST, "/hooks/fal/a/1/b", "webhook");
    check(http::Method::GET, "/s/abc/media", "redirect");
    check(http::Method::GET, "/api/v1/admin/overview", "admin");
}

#[test]
fn variables_are_resolved_against_local_values() {
    let template = Template::parse(DEPLOYED).unwrap();
    let variables = template.environment("webhook", &values()).unwrap();
    assert_eq!(variables["PUBLIC_ORIGIN"], "http://localhost:8080");
    assert_eq!(variables["TABLE_NAME"], "records");
    assert_eq!(variables["RESULTS_QUEUE_URL"], "http://q/results");
    assert_eq!(variables["SECRETS"], "ssm:/ai-image-generator");
    assert!(!variables.contains_key("AWS_ENDPOINT_URL"), "no other implementation of AWS is configured");
}

#[test]
fn what_isnt_known_is_named() {
    let template = Template::parse(DEPLOYED).unwrap();
    let mut incomplete = values();
    incomplete.resources.remove("Table");
    let error = template.environment("webhook", &incomplete).unwrap_err();
    assert!(matches!(&error, TemplateError::Unknown(name) if name == "Table"), "{error}");
}

#[test]
fn paths_go_to_their_origins_with_their_headers() {
    let behaviours = Template::parse(DEPLOYED).unwrap().behaviours(&values()).unwrap();
    let origin = |path: &str| Behaviour::choose(&behaviours, path).unwrap().origin;
    for path in ["/api/v1/health", "/auth/login", "/s/abc", "/hooks/fal/x", "/docs"] {
        assert_eq!(origin(path), Origin::Api, "{path}");
    }
    assert_eq!(origin("/media/p/a/original.png"), Origin::Media);
    for path in ["/", "/docs/more", "/library", "/assets/app.js", "/s"] {
        assert_eq!(origin(path), Origin::Site, "{path}");
    }
    let site = &Behaviour::choose(&behaviours, "/").unwrap().headers;
    let policy = site.iter().find(|rule| rule.name == "content-security-policy").unwrap();
    let text = policy.value.to_str().unwrap();
    assert!(text.starts_with("default-src 'none'; script-src 'self'"), "{text}");
    assert!(text.contains("connect-src 'self' https://uploads.invalid;"), "{text}");
    assert!(policy.overrides);
}

/// A template with one function and what `more` adds.
fn small(more: &str) -> String {
    format!(
        "Resources:\n  \
         Table: {{Type: AWS::DynamoDB::Table, Properties: {{KeySchema: []}}}}\n  \
         AFunction: {{Type: AWS::Serverless::Function, Properties: {{CodeUri: functions/a/}}}}\n{more}"
    )
}

#[test]
fn long_forms_of_functions_are_understood() {
    let text = small(
        "  AIntegration: {Type: AWS::ApiGatewayV2::Integration, Properties: {IntegrationUri: {Fn::GetAtt: [AFunction, Arn]}}}\n  \
         ARoute: {Type: AWS::ApiGatewayV2::Route, Properties: {RouteKey: GET /a, Target: {Fn::Sub: 'integrations/${AIntegration}'}}}\n\
         Conditions:\n  On: {Fn::Not: [{Fn::Equals: [{Ref: Switch}, '']}]}\n\
         Parameters:\n  Switch: {Default: ''}\n\
         Globals: {Function: {Environment: {Variables: {\
         A: {Fn::If: [On, yes-it-is, {Fn::Join: ['-', [a, {Ref: Switch}, c]]}]}, \
         B: {Fn::Sub: ['${!Kept} ${Mine}', {Mine: {Fn::Select: [1, {Fn::Split: ['/', 'x/y']}]}}]}}}}}\n",
    );
    let template = Template::parse(&text).unwrap();
    assert_eq!(template.routes.find(&http::Method::GET, "/a").unwrap().0.function, "a");
    let variables = template.environment("a", &LocalValues::default()).unwrap();
    assert_eq!(variables["A"], "a--c");
    assert_eq!(variables["B"], "${Kept} y");
    let on = LocalValues { parameters: BTreeMap::from([("Switch".to_owned(), "1".to_owned())]), ..LocalValues::default() };
    assert_eq!(template.environment("a", &on).unwrap()["A"], "yes-it-is");
}

#[test]
fn mistakes_are_named() {
    let check = |more: &str, expected: &str| {
        let error = Template::parse(&small(more)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        "  BIntegration: {Type: AWS::ApiGatewayV2::Integration, Properties: {IntegrationUri: !GetAtt BFunction.Arn}}\n  \
         BRoute: {Type: AWS::ApiGatewayV2::Route, Properties: {RouteKey: GET /b, Target: !Sub 'integrations/${BIntegration}'}}\n",
        "BRoute names a function that doesn't exist",
    );
    check("  BFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: elsewhere/b/}}\n", "CodeUri of BFunction");
    check(
        "  Map: {Type: AWS::Lambda::EventSourceMapping, Properties: {EventSourceArn: !GetAtt None.Arn, FunctionName: !Ref AFunction}}\n",
        "Map names a queue that doesn't exist",
    );
    check("  Second: {Type: AWS::DynamoDB::Table}\n", "exactly one table");
}

#[test]
fn only_rates_are_schedules() {
    assert_eq!(parse_rate("rate(1 minute)"), Some(Duration::from_secs(60)));
    assert_eq!(parse_rate("rate(2 hours)"), Some(Duration::from_secs(7_200)));
    for text in ["cron(0 0 * * ? *)", "rate(0 minutes)", "rate(1 second)", "rate(x minutes)"] {
        assert_eq!(parse_rate(text), None, "{text}");
    }
}
