"""The provider stand-in answers the provider's own client: `fal_client`, on a running local edition, over https.

Usage: fal.py PATH-OF-THE-LOCAL-EDITION
"""

import asyncio
import io
import os
import sys

from PIL import Image

from front import front
from support import check, done, edition, until

MODEL = "fal-ai/flux/schnell"
SIZE = {"width": 320, "height": 192}


def picture(prompt, **more):
    return {"prompt": prompt, "image_size": SIZE, "output_format": "png", **more}


def main(program):
    with edition(program) as local, front(local.origin) as server:
        # Read when the client is imported. A path may follow the host, because the client only puts `https://` in front.
        os.environ |= {"FAL_KEY": local.secrets()["fal_key"], "FAL_QUEUE_RUN_HOST": server.origin.removeprefix("https://") + "/dev/fal",
                       "FAL_RUN_HOST": "localhost:1", "SSL_CERT_FILE": server.certificate, "NO_PROXY": "localhost"}
        global fal
        import fal_client as fal

        follow(server)
        subscribe()
        sources()
        cancel()
        refused()
        asyncio.run(asynchronous())
        check("the client stays below the stand-in's path", all(path.startswith("/dev/fal/") for _, path in server.seen), server.seen)
    done()


def fetched(file):
    """The picture of a result, decoded."""
    import httpx

    answer = httpx.get(file["url"])
    check("a file is served as its type", answer.status_code == 200 and answer.headers["content-type"] == file["content_type"], answer)
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    return image


def failure(what, ask, status):
    """The client's own error, which must carry `status`."""
    try:
        answer = ask()
    except fal.FalClientHTTPError as error:
        check(what, error.status_code == status, (error.status_code, error.message))
        return error
    sys.exit(f"FAILED: {what}: no error but {answer}")


def state(handle, kind):
    until(f"the request is {kind.__name__}", lambda: isinstance(handle.status(), kind))


def follow(server):
    handle = fal.submit(MODEL, picture("a lighthouse", num_images=2, seed=7))
    check("a submission is answered with an id and addresses", handle.request_id in handle.status_url and handle.status_url.startswith(
        server.origin), handle.status_url)
    events = list(handle.iter_events(with_logs=True, interval=0.05))
    order = [fal.Queued, fal.InProgress, fal.Completed]
    seen = [order.index(type(event)) for event in events]
    check("states follow each other", seen == sorted(seen) and set(seen) == {0, 1, 2}, seen)
    check("what waits knows its position", events[0].position == 0)
    running = next(event for event in events if isinstance(event, fal.InProgress))
    check("a running request has logs", {"message", "timestamp", "level", "source"} <= set(running.logs[0]), running.logs)
    check("a complete one says how long it ran", events[-1].metrics["inference_time"] > 0 and events[-1].error is None, events[-1])
    check("logs come only when asked for", handle.status().logs is None)
    result = handle.get()
    check("there are as many pictures as asked for", len(result["images"]) == 2 and result["seed"] == 7, result)
    for file in result["images"]:
        image = fetched(file)
        check("a picture decodes to the size that was asked for", (image.size, image.format) == ((320, 192), "PNG"), image)
        check("and to the size that is told", image.size == (file["width"], file["height"]))
    check("the result is there again, by id", fal.result(MODEL, handle.request_id) == result)
    check("so is the state", isinstance(fal.status(MODEL, handle.request_id), fal.Completed))
    failure("what is over can't be cancelled", handle.cancel, 400)


def subscribe():
    queued, events = [], []
    result = fal.subscribe(MODEL, picture("a harbour", output_format="jpeg"), with_logs=True, on_enqueue=queued.append,
                           on_queue_update=events.append)
    check("a subscriber is told the id and every state", len(queued) == 1 and isinstance(events[-1], fal.Completed) and events[-1].logs)
    check("a subscriber's picture is a JPEG of its size", (image := fetched(result["images"][0])).size == (320, 192)
          and image.format == "JPEG")


def sources():
    source = fal.encode_image(Image.new("RGB", (96, 64), "teal"), format="png")
    result = fal.subscribe("fal-ai/esrgan", {"image_url": source, "scale": 2})
    check("a picture that was sent along is enlarged", fetched(result["image"]).size == (192, 128), result)


def cancel():
    # The stand-in runs two at a time, and these take a minute.
    running = [fal.submit(MODEL, picture(f"[[run:late]] {i}")) for i in range(2)]
    for handle in running:
        state(handle, fal.InProgress)
    queued = fal.submit(MODEL, picture("never drawn"))
    check("a third one waits", isinstance(queued.status(), fal.Queued))
    queued.cancel()
    late = fal.submit(MODEL, picture("not in time"), start_timeout=1.5)
    error = failure("who waits too long is told", late.get, 504)
    check("and why", (error.error_type, error.response_headers["x-fal-request-timeout-type"]) == ("request_timeout", "user"), error)
    fal.cancel(MODEL, running[0].request_id)
    running[1].cancel()
    for handle in [queued, *running]:
        status = until("what was cancelled is complete", lambda: isinstance(now := handle.status(), fal.Completed) and now)
        check("and says so", status.error_type == "client_cancelled", status)
        error = failure("it has no result", handle.get, 499)
        check("but a reason", error.error_type == "client_cancelled", error)
    hanging = []
    try:
        fal.subscribe(MODEL, picture("[[run:hang]]"), on_enqueue=hanging.append, client_timeout=2)
        sys.exit("FAILED: a subscriber waits for ever")
    except fal.FalClientTimeoutError as error:
        check("a subscriber gives up", [error.request_id] == hanging)
    status = until("and cancels", lambda: isinstance(now := fal.status(MODEL, hanging[0]), fal.Completed) and now)
    check("what it gave up is cancelled", status.error_type == "client_cancelled", status)


def refused():
    for word, code, kind in [("content-policy", 422, "content_policy_violation"), ("validation", 422, "value_error"),
                             ("server", 500, "internal_server_error"), ("timeout", 504, "generation_timeout")]:
        handle = fal.submit(MODEL, picture(f"a fox [[fail:{word}]]"))
        error = failure(f"{kind} is {code}", handle.get, code)
        [detail] = error.message
        check("its detail is a list that names the kind", detail["type"] == kind and detail["loc"][0] == "body" and detail["msg"], detail)
        check("its state shows no error", fal.status(MODEL, handle.request_id).error is None)
    error = failure("a lost runner is 503", lambda: fal.subscribe(MODEL, picture("[[fail:runner]]")), 503)
    check("its detail is one line with its kind", (error.message, error.error_type) == ("Runner disconnected", "runner_disconnected"))
    error = failure("wrong inputs are 422", lambda: fal.subscribe(MODEL, {"prompt": 7, "num_images": 9}), 422)
    check("every one of them is named", {entry["loc"][-1] for entry in error.message} == {"prompt", "num_images"}, error.message)
    failure("an unknown application is 404", lambda: fal.submit("fal-ai/no-such-model", {}), 404)
    failure("an unknown request is 404", lambda: fal.status(MODEL, "00000000-0000-4000-8000-000000000000"), 404)
    failure("a wrong key is 401", lambda: fal.SyncClient(key="stand-in:guess").submit(MODEL, picture("x")), 401)
    error = failure("a locked account is 403", lambda: fal.submit(MODEL, picture("[[submit:locked]]")), 403)
    check("with a reason", error.message.startswith("User is locked."))
    failure("an unavailable queue is 503", lambda: fal.submit(MODEL, picture("[[submit:unavailable]]")), 503)


async def asynchronous():
    client = fal.AsyncClient()
    results = await asyncio.gather(*(client.subscribe(MODEL, picture(f"boats {i}", seed=3)) for i in range(3)))
    check("the asynchronous client gets as many as it asks for", len({result["images"][0]["url"] for result in results}) == 3)
    handle = await client.submit(MODEL, picture("[[run:hang]]"))
    await handle.cancel()
    error = None
    try:
        await handle.get()
    except fal.FalClientHTTPError as raised:
        error = raised
    check("and cancels", error is not None and error.status_code == 499, error)


if __name__ == "__main__":
    main(sys.argv[1])
