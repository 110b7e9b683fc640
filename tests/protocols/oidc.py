"""Somebody else's OpenID Connect issuer signs people in: the local edition finds its way by discovery alone.

Usage: oidc.py PATH-OF-THE-LOCAL-EDITION
"""

import contextlib
import http.client
import json
import socket
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from browser import Browser
from support import check, done, edition, run


@contextlib.contextmanager
def issuer():
    """`oidc-provider-mock` on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    people = [{"sub": "ada", "email": "ada@example.com", "email_verified": True, "name": "Ada"},
              {"sub": "eve", "email": "eve@example.com", "email_verified": False, "name": "Eve"}]
    claims = [word for person in people for word in ("--user-claims", json.dumps(person))]
    process = subprocess.Popen(["oidc-provider-mock", "--port", str(port), *claims], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{url}/.well-known/openid-configuration", timeout=5) as answer:
                    yield json.load(answer)
                    break
            time.sleep(0.1)
        else:
            sys.exit("FAILED: the issuer doesn't start")
    finally:
        process.terminate()
        process.wait(timeout=30)


def agree(location, subject):
    """Where the issuer sends the browser when `subject` has agreed there."""
    to = urllib.parse.urlsplit(location)
    connection = http.client.HTTPConnection(to.hostname, to.port, timeout=30)
    try:
        connection.request("POST", f"{to.path}?{to.query}", urllib.parse.urlencode({"sub": subject}),
                           {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.read()
        check(f"the issuer sends {subject} back", answer.status in (302, 303), answer.status)
        return urllib.parse.urlsplit(answer.headers["Location"])
    finally:
        connection.close()


def main(program):
    with issuer() as document:
        url = document["issuer"]
        check("it is another issuer than our stand-in", "/dev/issuer" not in url and "S256" in document.get("code_challenge_methods_supported", ["S256"]))
        with edition(program, OIDC_ISSUER=url, OIDC_CLIENT_ID="aig", OIDC_CLIENT_SECRET="not used anywhere else") as local:
            port = urllib.parse.urlsplit(local.origin).port

            def sign_in(browser, subject):
                answer = browser.ask("GET", "/auth/login?next=/library")
                location = answer.headers["Location"]
                check("signing in leads to the address that the discovery document names",
                      location.startswith(document["authorization_endpoint"] + "?"), location)
                back = agree(location, subject)
                check("the issuer sends back to us", f"{back.scheme}://{back.netloc}{back.path}" == f"{local.origin}/auth/callback", back)
                return browser.ask("GET", f"{back.path}?{back.query}")

            browser = Browser(port, f"localhost:{port}", local.origin)
            answer = sign_in(browser, "ada")
            check("and the session begins where the sign-in began", (answer.status, answer.headers["Location"]) == (302, "/library"), answer)
            me = browser.ask("GET", "/api/v1/me").json()
            check("as whom the issuer says", (me["email"], me["name"]) == ("ada@example.com", "Ada"), me)
            again = Browser(port, f"localhost:{port}", local.origin)
            sign_in(again, "ada")
            check("and the same one next time", again.ask("GET", "/api/v1/me").json()["id"] == me["id"])
            other = Browser(port, f"localhost:{port}", local.origin)
            answer = sign_in(other, "eve")
            check("an address that isn't verified opens nothing", answer.headers["Location"] == "/?problem=email-unverified", answer)
            check("and leaves no session", other.ask("GET", "/api/v1/me").status == 401)
            check("signing out works", browser.ask("POST", "/auth/logout").status == 204)
            check("and is true for the next request", browser.ask("GET", "/api/v1/me").status == 401)
    # Nothing is started with one that anybody could stand in for.
    for wrong in ("http://issuer.example", "http://localhost.evil.example", "http://10.0.0.1", "nonsense"):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "index.html").write_text("<!doctype html>")
            client = {"OIDC_ISSUER": wrong, "OIDC_CLIENT_ID": "aig", "OIDC_CLIENT_SECRET": "x"}
            answer = run(program, "--port", "0", "--data", pathlib.Path(folder, "data"), "--site", folder, env=client)
        check(f"{wrong} is no issuer without https", answer.returncode != 0 and "OIDC_ISSUER" in answer.stderr, answer.stderr)
    done()


if __name__ == "__main__":
    main(sys.argv[1])
