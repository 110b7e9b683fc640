"""The API is what its description says: schemathesis makes requests from openapi.json, right ones and wrong ones, and judges the answers.

Usage: api.py PATH-OF-THE-LOCAL-EDITION [CASES]

CASES (1000) is how many requests there have to be at least; more of them means more random ones for each operation.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from browser import Browser
from support import check, done, edition, run

# Everything but `positive_data_acceptance`, because what the description can't say (a prompt's length depends on the model, an id must be
# one's own) is refused with 400 though it fits; `use_after_free`, because what is deleted from the library is in the trash; and
# `allow_header_conformance`, because each run knows only half of the methods: those of one way to sign in.
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
          "ensure_resource_availability", "ignored_auth"]
# A link that has ended says so first, whatever it is sent.
CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 431]
"""
# Would end the session that the others need, or the account.
ENDS = {("post", "/auth/logout"), ("delete", "/api/v1/me")}


def described(local, scheme, wanted):
    """The description, with one of the two ways to sign in, and of its operations those that are `wanted`."""
    with urllib.request.urlopen(f"{local.origin}/api/v1/openapi.json", timeout=30) as answer:
        api = json.load(answer)
    api["security"] = [{scheme: []}]
    for path, item in api["paths"].items():
        for method in list(item):
            if not wanted(method, path, item[method].get("security")):
                del item[method]
    api["paths"] = {path: item for path, item in api["paths"].items() if item}
    return api


def conform(what, local, api, headers, examples):
    """How many requests were made."""
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "openapi.json").write_text(json.dumps(api))
        pathlib.Path(folder, "schemathesis.toml").write_text(CONFIGURATION)
        words = ["schemathesis", "run", "openapi.json", "--url", local.origin, "--checks", ",".join(CHECKS), "--phases",
                 "examples,coverage,fuzzing,stateful", "--max-examples", str(examples), "--workers", "1", "--seed", "1", "--request-timeout", "15",
                 "--max-redirects", "0", "--continue-on-failure", "--warnings", "off", "--no-shrink"]
        for name, value in headers.items():
            words += ["--header", f"{name}: {value}"]
        environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "200"}
        answer = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=7200)
        operations = sum(len(item) for item in api["paths"].values())
        made = int((re.search(r"(\d+) generated", answer.stdout) or [0, 0])[1])
        check(f"{what}: {made} answers of {operations} operations are as described", answer.returncode == 0,
              answer.stdout[-40000:] + answer.stderr[-4000:])
        check(f"{what}: every operation was tried", f"Tested: {operations}" in answer.stdout, answer.stdout[-4000:])
        return made


def main(program, cases=1000):
    # A thousand or so come from the description itself; the rest are random ones, for each of about forty operations.
    examples = max(8, (cases - 1000) // 36)
    # Nobody's limit is to stand in the way of what is tried here.
    limits = {f"LIMIT_{name}": "1000000" for name in ("MONTHLY_UNITS", "DAILY_OUTPUTS", "HOURLY_REQUESTS")}
    with edition(program, STAND_IN_DELAY_MS="0", **limits) as local:
        token = run(program, "token", "tester@example.com", "--data", local.data).stdout.strip()
        by_token = described(local, "token", lambda method, path, security: security != [{"cookie": []}])
        made = conform("by token", local, by_token, {"Authorization": f"Bearer {token}"}, examples)
        port = urllib.parse.urlsplit(local.origin).port
        browser = Browser(port, f"localhost:{port}", local.origin)
        browser.sign_in("tester@example.com")
        page = {"Cookie": f"__Host-sid={browser.cookies['__Host-sid']}", "Origin": local.origin, "Sec-Fetch-Site": "same-origin", "X-App": "1"}
        by_page = described(local, "cookie", lambda method, path, security: security == [{"cookie": []}] and (method, path) not in ENDS)
        # Its cookie goes along with every request, those included from which a described one would be left out.
        by_page["security"] = []
        for item in by_page["paths"].values():
            for operation in item.values():
                operation.pop("security", None)
        made += conform("by session", local, by_page, page, examples)
    check(f"there were at least {cases} requests", made >= cases, made)
    done()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
