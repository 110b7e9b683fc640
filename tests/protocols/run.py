"""A running local edition and other people's clients: boto3 and the aws command line read the embedded services, and the library of
Standard Webhooks verifies what clients are told.

Usage: run.py PATH-OF-THE-LOCAL-EDITION
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from standardwebhooks import Webhook, WebhookVerificationError

from browser import Browser
from hooks import receiver
from support import check, done, edition, run, until


def call(origin, token, method, path, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(origin + path, data=data, method=method)
    request.add_header("Authorization", f"Bearer {token}")
    if data is not None:
        request.add_header("Content-Type", "application/json")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def follow(origin, token, generation, bound=120):
    for _ in range(bound * 5):
        _, generation = call(origin, token, "GET", f"/api/v1/generations/{generation['id']}")
        if generation["state"] not in ("queued", "running", "storing"):
            return generation
        time.sleep(0.2)
    sys.exit(f"FAILED: still {generation['state']} after {bound} s")


def aws(environment, *words):
    names = ("PATH", "HOME", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB",
             "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS")
    variables = {name: value for name, value in {**os.environ, **environment}.items() if name in names}
    variables["AWS_DEFAULT_REGION"] = environment["AWS_REGION"]
    answer = run("aws", *words, "--output", "json", env=variables)
    if answer.returncode != 0:
        sys.exit(f"FAILED: aws {' '.join(words)}: {answer.stderr}")
    return json.loads(answer.stdout or "null")


def webhook(local, hooks):
    """A person who signs in, is shown a secret, and is told of the end of a generation."""
    port = int(local.origin.rpartition(":")[2])
    browser = Browser(port, f"localhost:{port}", local.origin)
    browser.sign_in("told@example.com")
    secret = browser.ask("GET", "/api/v1/me/webhook-secret").json()["secret"]
    request = {"model": "flux-schnell", "inputs": {"prompt": "a bell"}, "callback_url": f"{hooks.origin}/hook?for=me"}
    begun = browser.ask("POST", "/api/v1/generations", request, Idempotency_Key=str(uuid.uuid4())).json()
    check("a callback is pending at first", begun["callback"]["state"] == "pending", begun)
    headers, body = until("the webhook comes", lambda: hooks.got)[0]
    event = Webhook(secret).verify(body, headers)
    check("the library of Standard Webhooks verifies it", (event["type"], event["data"]["id"]) == ("generation.complete", begun["id"]), event)
    check("its id is the generation's", headers["webhook-id"] == begun["id"], headers)
    for what, key, content in (("another secret", "whsec_" + "A" * 43 + "=", body), ("another body", secret, body + b" ")):
        try:
            Webhook(key).verify(content, headers)
            check(f"with {what} it doesn't", False)
        except WebhookVerificationError:
            check(f"with {what} it doesn't", True)
    address = f"/api/v1/generations/{begun['id']}"
    until("the generation says so", lambda: browser.ask("GET", address).json()["callback"]["state"] == "delivered")
    check("it came once", len(hooks.got) == 1, len(hooks.got))


def main(program):
    with receiver() as hooks, edition(program, CALLBACK_ORIGINS=hooks.origin) as local:
        webhook(local, hooks)
        endpoints = local.data / "endpoints.json"
        check("only its owner reads the credentials", endpoints.stat().st_mode & 0o777 == 0o600)
        environment = json.loads(endpoints.read_text())["environment"]
        token = run(program, "token", "reader@example.com", "--data", local.data)
        check("the token command prints a token alone", token.stdout.startswith("aig_") and token.stdout.count("\n") == 1, token.stderr)
        token = token.stdout.strip()

        request = {"model": "flux-schnell", "inputs": {"prompt": "a lighthouse for other clients"}}
        status, generation = call(local.origin, token, "POST", "/api/v1/generations", request, {"Idempotency-Key": str(uuid.uuid4())})
        check("a generation is accepted", status == 202, generation)
        generation = follow(local.origin, token, generation)
        check("it is complete", generation["state"] == "complete", generation)
        asset = generation["assets"][0]

        options = {"region_name": environment["AWS_REGION"], "aws_access_key_id": environment["AWS_ACCESS_KEY_ID"],
                   "aws_secret_access_key": environment["AWS_SECRET_ACCESS_KEY"]}
        dynamodb = boto3.resource("dynamodb", endpoint_url=environment["AWS_ENDPOINT_URL_DYNAMODB"], **options)
        items = dynamodb.Table(environment["TABLE_NAME"]).scan()["Items"]
        check("boto3 reads the table", any(item["sk"] == f"ASSET#{asset['id']}" for item in items), len(items))
        s3 = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"], config=Config(s3={"addressing_style": "path"}), **options)
        key = next(item["key"] for item in items if item["sk"] == f"ASSET#{asset['id']}")
        answer = s3.get_object(Bucket=environment["MEDIA_BUCKET"], Key=key)
        check("boto3 reads the bucket", len(answer["Body"].read()) == asset["media"]["bytes"])
        check("objects carry their type", answer["ContentType"] == asset["media"]["content_type"])
        sqs = boto3.client("sqs", endpoint_url=environment["AWS_ENDPOINT_URL_SQS"], **options)
        attributes = sqs.get_queue_attributes(QueueUrl=environment["RESULTS_QUEUE_URL"], AttributeNames=["All"])["Attributes"]
        check("boto3 reads the queue", "RedrivePolicy" in attributes, attributes)
        try:
            boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL_S3"], region_name="us-east-1", aws_access_key_id="guess",
                         aws_secret_access_key="guess").list_buckets()
            check("a guessed key is refused", False)
        except ClientError as error:
            check("a guessed key is refused", error.response["ResponseMetadata"]["HTTPStatusCode"] == 403)

        found = aws(environment, "dynamodb", "scan", "--table-name", environment["TABLE_NAME"])["Count"]
        check("the aws command reads the table", found == len(items), (found, len(items)))
        objects = aws(environment, "s3api", "list-objects-v2", "--bucket", environment["MEDIA_BUCKET"])["Contents"]
        check("the aws command reads the bucket", key in [entry["Key"] for entry in objects], objects)
        queues = aws(environment, "sqs", "list-queues", "--endpoint-url", environment["AWS_ENDPOINT_URL_SQS"])["QueueUrls"]
        check("the aws command reads the queues", len(queues) == 6, queues)
    done()


if __name__ == "__main__":
    main(sys.argv[1])
