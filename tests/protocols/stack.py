"""The template, deployed to another implementation of AWS, with the functions' own programs and only the rights of their roles.

The stand-ins for sign-in and provider are those of a local edition, which has no other part in this: the stack's public origin is the
edition's, because that is where its issuer sends browsers back to, and the test takes them to the distribution instead.

Usage: stack.py FOLDER-OF-THE-PROGRAMS
"""

import hashlib
import io
import json
import pathlib
import sys
import urllib.parse
import urllib.request
import zipfile

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from PIL import Image

from browser import Browser
from cloud import PREFIX, create, deploy, prepare, running
from front import crossroads
from support import check, done, edition, until

EMAIL, PROMPT = "ada@example.com", "a lighthouse nobody logs"
# The queues, and a body that none of their readers can know.
QUEUES, JUNK = ("Results", "Videos", "Tasks"), '{"this": "is no message"}'


def main(programs):
    with (edition(programs / "local", STAND_IN_DELAY_MS="200") as local, running() as cloud,
          crossroads(local.origin, cloud.port) as provider):
        secrets = local.secrets()
        key = serialization.load_pem_private_key(secrets["media_signing_key"].encode(), None).public_key()
        public_key = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        prepare(cloud, programs, secrets, public_key)
        deploy(cloud, PublicOrigin=local.origin, OidcIssuer=f"{local.origin}/dev/issuer", OidcClientId="local", MediaPublicKey=public_key,
               FalQueueUrl=f"{provider.origin}/dev/fal", FalMediaOrigins=local.origin, FalAccountId="local-account",
               FalJwksUrl=f"{local.origin}/dev/fal/.well-known/jwks.json")
        journey(cloud, local.origin, provider)
        defaults(cloud, public_key)
    done()


def journey(cloud, origin, provider):
    distribution = cloud.client("cloudfront").get_distribution(Id=cloud.names["Distribution"])["Distribution"]
    browser = Browser(cloud.port, distribution["DomainName"], origin)
    provider.host = browser.host
    poison(cloud)
    delivery(cloud, browser)
    asked = routes(cloud, browser)
    dead_letters(cloud)
    browser.sign_in(EMAIL)
    account(browser)
    asset = picture(cloud, browser)
    film = video(cloud, browser)
    # One that comes before its request is known is sent back, and comes again.
    until("the provider's callbacks are taken", lambda: provider.callbacks.count(204) == 2)
    library(browser, [film, asset])
    upload(cloud, browser)
    link(cloud, browser, asset)
    export(browser, [film, asset])
    leaving(browser)
    logs(cloud, asked)
    rights(cloud)


def poison(cloud):
    """A message that nobody understands, to every queue, where it is offered again at once instead of after minutes."""
    sqs = cloud.client("sqs")
    for name in QUEUES:
        sqs.set_queue_attributes(QueueUrl=cloud.names[f"{name}Queue"], Attributes={"VisibilityTimeout": "1"})
        sqs.send_message(QueueUrl=cloud.names[f"{name}Queue"], MessageBody=JUNK)


def dead_letters(cloud):
    sqs = cloud.client("sqs")
    for name in QUEUES:
        received = until(f"{name}: poison ends in the dead-letter queue", lambda: sqs.receive_message(
            QueueUrl=cloud.names[f"{name}DeadLetterQueue"], MessageSystemAttributeNames=["ApproximateReceiveCount"]).get("Messages"))
        check(f"{name}: unchanged", received[0]["Body"] == JUNK, received)
        # Five times by the function, once by this test.
        check(f"{name}: after five receives", received[0]["Attributes"]["ApproximateReceiveCount"] == "6", received)
        asked = cloud.resources("AWS::SQS::Queue")[f"{name}Queue"]["VisibilityTimeout"]
        sqs.set_queue_attributes(QueueUrl=cloud.names[f"{name}Queue"], Attributes={"VisibilityTimeout": str(asked)})


def delivery(cloud, browser):
    s3 = cloud.client("s3")
    for key, kind in [("index.html", "text/html"), ("assets/app.js", "text/javascript")]:
        s3.put_object(Bucket=cloud.names["SiteBucket"], Key=key, Body=key.encode(), ContentType=kind)
    s3.put_object(Bucket=cloud.names["MediaBucket"], Key="elsewhere/secret", Body=b"not for the distribution's other paths")
    for path, key in [("/", "index.html"), ("/library", "index.html"), ("/assets/app.js", "assets/app.js")]:
        answer = browser.ask("GET", path)
        check(f"the distribution serves {path}", (answer.status, answer.body) == (200, key.encode()), answer)
        check("with the site's policy", "script-src 'self'" in answer.headers["Content-Security-Policy"], answer.headers)
    check("without TLS it leads to TLS", browser.ask("GET", "/", X_Forwarded_Proto="http").status == 301)
    check("the site takes no POST", browser.ask("POST", "/library", {}).status == 403)
    check("there is no way to other objects", browser.ask("GET", "/elsewhere/secret").body == b"index.html")
    answer = browser.ask("GET", "/api/v1/health")
    check("the API answers behind it", answer.status == 200 and answer.json()["home"] == "aws", answer.body)
    check("with the API's policy", answer.headers["Content-Security-Policy"].startswith("default-src 'none'"), answer.headers)
    check("and for TLS only", "max-age" in answer.headers["Strict-Transport-Security"], answer.headers)
    check("the API's page brings its own policy", "style-src" in browser.ask("GET", "/docs").headers["Content-Security-Policy"])
    answer = browser.ask("GET", "/api/v1/nothing/here")
    check("what nobody knows is a problem document", (answer.status, answer.problem()) == (404, "not-found"), answer.body)


def routes(cloud, browser):
    """Asks every route at the API's own address; returns the ids of the requests by the log that they belong in."""
    integrations, asked = cloud.resources("AWS::ApiGatewayV2::Integration"), {}
    for route in cloud.resources("AWS::ApiGatewayV2::Route").values():
        method, _, path = route["RouteKey"].rpartition(" ")
        method, path = method.replace("ANY", "GET") or "GET", path.replace("{proxy+}", "some/thing").replace("$default", "/anything")
        api = f"{cloud.names['Api']}.execute-api.localhost"
        answer = browser.ask(method, path, {} if method == "POST" else None, host=api, Accept="application/json")
        # The gateway's own "Not Found" is no problem document.
        check(f"{route['RouteKey']} is answered", answer.problem() and 400 <= answer.status < 500, answer)
        integration = route["Target"]["Fn::Sub"].removeprefix("integrations/${").removesuffix("}")
        function = integrations[integration]["IntegrationUri"]["Fn::GetAtt"][0]
        asked.setdefault(function.replace("Function", "Logs"), []).append(answer.headers["X-Request-Id"])
    return asked


def account(browser):
    me = browser.ask("GET", "/api/v1/me")
    check("it is who signed in", me.json()["email"] == EMAIL, me.body)
    check("whose limits are the template's", me.json()["limits"]["monthly"] == 500, me.body)
    check("and who may see their media", {"CloudFront-Policy", "CloudFront-Signature", "CloudFront-Key-Pair-Id"} <= set(browser.cookies))
    models = browser.ask("GET", "/api/v1/models?limit=100")
    check("there are models", len(models.json()["items"]) > 30, models.body[:200])
    sessions = browser.ask("GET", "/api/v1/sessions").json()["items"]
    check("the session is listed", len(sessions) == 1, sessions)
    token = browser.ask("POST", "/api/v1/tokens", {"name": "a shell", "scopes": ["read"]})
    check("a token is made", token.status == 201, token.body)
    stranger = Browser(browser.port, browser.host, browser.origin)
    check("and opens the door", stranger.ask("GET", "/api/v1/me", Authorization=f"Bearer {token.json()['token']}").status == 200)
    check("which is closed otherwise", stranger.ask("GET", "/api/v1/me").status == 401)
    stranger.cookies["__Host-sid"] = browser.cookies["__Host-sid"][::-1]
    check("and to another cookie", stranger.ask("GET", "/api/v1/me").status == 401)
    refused = browser.ask("POST", "/api/v1/generations", {}, Origin="https://elsewhere.example")
    check("another site changes nothing", refused.status == 403, refused.body)


def fetched(cloud, browser, file):
    """The bytes of a media address, from the distribution, which must be those in the bucket. That the cookies are right is held
    elsewhere: this distribution lets everybody see what is for trusted key groups."""
    answer = browser.ask("GET", file["url"])
    check("the distribution serves the media", answer.status == 200, (answer.status, answer.body[:300]))
    check("as their type, for the viewer alone", (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
        file["content_type"], "private, max-age=31536000, immutable"), answer.headers)
    object = cloud.client("s3").get_object(Bucket=cloud.names["MediaBucket"], Key=file["url"].lstrip("/"))
    check("from the bucket", object["Body"].read() == answer.body)
    return answer.body


def decoded(cloud, browser, file):
    image = Image.open(io.BytesIO(fetched(cloud, browser, file)))
    image.load()
    check("which decode to the size that is told", image.size == (file["width"], file["height"]), image)
    return image


def picture(cloud, browser):
    generation = browser.make("flux-schnell", {}, {"prompt": PROMPT})
    [asset] = generation["assets"]
    image = decoded(cloud, browser, asset["media"])
    check("the original has its bytes", asset["media"]["bytes"] > 10_000 and image.format in ("PNG", "JPEG"), asset)
    check("there are thumbnails", [decoded(cloud, browser, thumbnail).format for thumbnail in asset["thumbnails"]] == ["WEBP"] * 2, asset)
    check("it was charged", generation["units"]["charged"] == generation["units"]["reserved"] > 0, generation)
    used = browser.ask("GET", "/api/v1/me").json()["usage"]
    check("once", (used["used"], used["reserved"]) == (generation["units"]["charged"], 0), used)
    return asset


def video(cloud, browser):
    generation = browser.make("wan-2.7", {"duration": 2, "resolution": "720p"}, {"prompt": "waves"})
    [asset] = generation["assets"]
    film = fetched(cloud, browser, asset["media"])
    check("it is a film", asset["kind"] == "video" and film[4:8] == b"ftyp" and len(film) == asset["media"]["bytes"], asset["media"])
    check("of its length", 1_900 <= asset["media"]["duration_ms"] <= 2_100, asset["media"])

    def poster():
        now = browser.ask("GET", f"/api/v1/assets/{asset['id']}").json()
        return now if now["thumbnails"] else None

    asset = until("its poster is made", poster)
    for thumbnail in asset["thumbnails"]:
        decoded(cloud, browser, thumbnail)
    return asset


def upload(cloud, browser):
    """A picture of one's own: to the bucket by a signed address, checked there, and from there to the provider."""
    content = io.BytesIO()
    Image.new("RGB", (120, 80), "teal").save(content, "PNG")
    body = content.getvalue()
    begun = browser.ask("POST", "/api/v1/uploads", {"purpose": "image", "content_type": "image/png", "bytes": len(body),
                                                    "sha256": hashlib.sha256(body).hexdigest()})
    check("a place for a picture is given", begun.status == 201, begun.body)
    ticket, place = begun.json(), begun.json()["upload"]
    sent = urllib.request.Request(place["url"], data=body, method=place["method"], headers=place["headers"])
    check("which takes it", urllib.request.urlopen(sent, timeout=30).status == 200)
    check("it is accepted", (now := browser.ask("POST", f"/api/v1/uploads/{ticket['id']}/complete")).status == 200, now.body)
    keys = [entry["Key"] for entry in cloud.client("s3").list_objects_v2(Bucket=cloud.names["UploadsBucket"])["Contents"]]
    check("only what was made of it is kept", keys == [f"clean/{ticket['id']}.jpg"], keys)
    [asset] = browser.make("esrgan", {"scale": 2}, {"images": [ticket["id"]]})["assets"]
    check("it is enlarged", decoded(cloud, browser, asset["media"]).size == (240, 160))


def library(browser, assets):
    def listed(query=""):
        return [asset["id"] for asset in browser.ask("GET", f"/api/v1/assets{query}").json().get("items", [])]

    ids = [asset["id"] for asset in assets]
    check("the library lists both, newest first", listed() == ids, listed())
    until("the search finds one", lambda: listed("?q=lighthouse") == ids[1:])
    changed = browser.ask("PATCH", f"/api/v1/assets/{ids[1]}", {"favourite": True, "title": "Light"})
    check("it becomes a favourite", changed.status == 200 and changed.json()["favourite"], changed.body)
    check("and is among them", listed("?favourite=true") == ids[1:], listed("?favourite=true"))


def link(cloud, browser, asset):
    made = browser.ask("POST", "/api/v1/links", {"asset_id": asset["id"], "opens": "page"})
    check("a link is made", made.status == 201, made.body)
    path, own = urllib.parse.urlsplit(made.json()["url"]).path, f"/api/v1/links/{made.json()['key']}"
    stranger = Browser(browser.port, browser.host, browser.origin)
    page = stranger.ask("GET", path)
    check("its page is for everybody", page.status == 200 and page.headers.get_content_type() == "text/html", (page.status, page.body))
    check("and brings its own policy", "default-src 'none'" in page.headers["Content-Security-Policy"], page.headers)
    media = stranger.ask("GET", f"{path}/media")
    to = urllib.parse.urlsplit(media.headers["Location"] or "")
    check("what it shows is signed", media.status == 302 and "Signature=" in to.query, (media.status, media.body))
    check("and is the asset", stranger.ask("GET", f"{to.path}?{to.query}").body == fetched(cloud, browser, asset["media"]))
    check("a visit is counted", stranger.ask("POST", f"{path}/visit").status == 204 and browser.ask("GET", own).json()["views"] == 1)
    check("a link can be ended", browser.ask("DELETE", own).status == 204)
    check("for everybody", stranger.ask("GET", path, Accept="application/json").problem() == "gone")


def export(browser, assets):
    """Everything in one file, which Python's own reader understands."""
    asked = browser.ask("POST", "/api/v1/exports")
    check("an export is asked for", asked.status == 202, asked.body)

    def ended():
        now = browser.ask("GET", asked.headers["Location"]).json()
        return now if now["state"] in ("ready", "failed") else None

    ready = until("it comes to an end", ended, seconds=60, pause=0.2)
    check("it is ready", ready["state"] == "ready", ready)
    with urllib.request.urlopen(ready["url"], timeout=30) as answer:
        file = zipfile.ZipFile(io.BytesIO(answer.read()))
    check("it is whole", file.testzip() is None)
    page = file.read("index.html").decode()
    for asset in assets:
        record = json.loads(file.read(f"records/{asset['id']}.json"))
        check("it holds the original", hashlib.sha256(file.read(record["file"])).hexdigest() == asset["media"]["sha256"], record)
        check("and shows it", f'src="{record["file"]}"' in page, page)


def leaving(browser):
    """Out at once, and back within the day."""
    left = browser.ask("DELETE", "/api/v1/me")
    check("an account is left", left.status == 202 and left.json()["deletes_at"], left.body)
    check("from the next request on", browser.ask("GET", "/api/v1/me").status == 401)
    browser.cookies.clear()
    browser.sign_in(EMAIL)
    check("one may look at it", browser.ask("GET", "/api/v1/me").json()["status"] == "deleting")
    check("and at nothing else", browser.ask("GET", "/api/v1/assets").problem() == "deleting")
    back = browser.ask("POST", "/api/v1/me/restore")
    check("and come back", back.status == 200 and back.json()["status"] == "active", back.body)
    check("to everything", len(browser.ask("GET", "/api/v1/assets").json()["items"]) == 3)


def logs(cloud, asked):
    """What the functions have written, each into the log that the template gives it."""
    client = cloud.client("logs")
    pages = client.get_paginator("filter_log_events")

    def lines(name):
        group = cloud.names[name]
        return [event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"]]

    until("the schedule wakes the worker", lambda: any('"swept"' in line for line in lines("WorkerLogs")))
    written = {name: lines(name) for name in cloud.resources("AWS::Logs::LogGroup") if name != "ApiLogs"}
    for name, ids in asked.items():
        check(f"{name}: requests are where their routes lead", all(any(id in line for line in written[name]) for id in ids), written[name])
    everything = [line for name in written for line in written[name]]
    for secret in (EMAIL, PROMPT, "__Host-", JUNK):
        check("nothing private is logged", not [line for line in everything if secret in line])
    errors = [line for line in everything if '"level":"ERROR"' in line or "AccessDenied" in line]
    check("no function lacks a right or fails", not errors, errors)


def rights(cloud):
    """The roles are obeyed, so that what went well before went well because of them. (The condition that makes the audit log grow
    only is beyond ministack: it knows no `dynamodb:LeadingKeys`.)"""
    table, media, entry = cloud.names["Table"], cloud.names["MediaBucket"], {"pk": {"S": "USER#x"}, "sk": {"S": "x"}}

    def refused(function, service, action, **arguments):
        client = cloud.client(service, **cloud.role(function))
        try:
            getattr(client, action)(**arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            return check(f"{function} may not {action}", code in ("AccessDenied", "AccessDeniedException"), error)
        check(f"{function} may not {action}", False)

    refused("Redirect", "dynamodb", "put_item", TableName=table, Item=entry)
    refused("Thumbnailer", "dynamodb", "delete_item", TableName=table, Key=entry)
    refused("Admin", "dynamodb", "batch_write_item", RequestItems={table: [{"DeleteRequest": {"Key": entry}}]})
    refused("Library", "s3", "put_object", Bucket=media, Key="media/x", Body=b"x")
    refused("Thumbnailer", "sqs", "send_message", QueueUrl=cloud.names["TasksQueue"], MessageBody="{}")
    refused("Webhook", "ssm", "get_parameter", Name=f"{PREFIX}/fal_key", WithDecryption=True)


def defaults(cloud, public_key):
    """What nobody has to say: the site is at the distribution's own address, and sign-in and provider are the real ones."""
    names = create(cloud, "defaults", OidcClientId="client", MediaPublicKey=public_key)
    distribution = cloud.client("cloudfront").get_distribution(Id=names["Distribution"])["Distribution"]
    function = cloud.client("lambda").get_function_configuration(FunctionName=names["AuthFunction"])
    variables = function["Environment"]["Variables"]
    check("the origin is the distribution's", variables["PUBLIC_ORIGIN"] == f"https://{distribution['DomainName']}", variables)
    check("the issuer is Google", variables["OIDC_ISSUER"] == "https://accounts.google.com", variables)
    check("the provider is fal.ai", variables["FAL_QUEUE_URL"] == "https://queue.fal.run", variables)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
