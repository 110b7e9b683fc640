"""A browser as far as the API can tell: cookies, the headers of our own pages, and a sign-in at the issuer's page."""

import dataclasses
import http.client
import json
import urllib.parse
import uuid

from support import check, until


@dataclasses.dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """The code of a problem document; none when it isn't one."""
        return self.json()["code"] if self.headers.get_content_type() == "application/problem+json" else None


class Browser:
    """Talks to `port` on loopback as if it were `host`, over TLS; its pages are those of `origin`."""

    def __init__(self, port, host, origin):
        self.port, self.host, self.origin, self.cookies = port, host, origin, {}

    def ask(self, method, path, body=None, host=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        fields = {"Host": host or self.host, "X-Forwarded-Proto": "https", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
                  "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if method != "GET":
            fields |= {"X-App": "1", "Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        if body is not None:
            fields |= {"Content-Type": "application/json"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=fields)
            answer = connection.getresponse()
            answer = Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            pair, *attributes = [part.strip() for part in line.split(";")]
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes or not value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def sign_in(self, email):
        """Through the issuer's page; the way back, to `origin`, is taken to `host`."""
        answer = self.ask("GET", "/auth/login?next=/library")
        to = urllib.parse.urlsplit(answer.headers["Location"])
        check("signing in leads to the issuer", answer.status == 302 and "code_challenge" in to.query, answer)
        check("with a cookie to come back by", set(self.cookies) == {"__Host-pre"}, self.cookies)
        fields = urllib.parse.parse_qsl(to.query) + [("email", email)]
        issuer = http.client.HTTPConnection("localhost", to.port, timeout=60)
        issuer.request("POST", to.path, urllib.parse.urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})
        back = urllib.parse.urlsplit(issuer.getresponse().headers["Location"] or "")
        issuer.close()
        sent = f"{back.scheme}://{back.netloc}{back.path}"
        check("the issuer sends back to the registered address", sent == f"{self.origin}/auth/callback", sent)
        answer = self.ask("GET", f"{back.path}?{back.query}")
        check("and the session begins where the sign-in began", (answer.status, answer.headers["Location"]) == (302, "/library"), answer)
        check("with its cookie alone", set(self.cookies) == {"__Host-sid"}, self.cookies)

    def make(self, model, parameters, inputs):
        """What a generation comes to."""
        body = {"model": model, "inputs": inputs, "parameters": parameters}
        answer = self.ask("POST", "/api/v1/generations", body, Idempotency_Key=str(uuid.uuid4()))
        check(f"{model}: a generation is accepted", answer.status == 202, (answer.status, answer.body))
        address = f"/api/v1/generations/{answer.json()['id']}"

        def settled():
            now = self.ask("GET", address).json()
            return now if now.get("state") not in ("queued", "running", "storing") else None

        generation = until(f"{model}: it comes to an end", settled, seconds=60, pause=0.2)
        check(f"{model}: it is complete", generation.get("state") == "complete", generation)
        return generation
