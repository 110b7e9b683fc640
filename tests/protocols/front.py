"""What stands in front of somebody else during a test: https before a local edition, for clients that speak nothing else, and the
crossroads between a stack and the provider."""

import contextlib
import datetime
import http.client
import http.server
import os
import pathlib
import ssl
import tempfile
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Headers that belong to one connection, and those that the new one sets itself.
OWN = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"}


def certificate():
    """A private key and a certificate for `localhost`, in PEM, that is its own authority for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    usage = dict.fromkeys(["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign", "encipher_only",
                           "decipher_only"], False)
    made = (x509.CertificateBuilder()
            .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256()))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private, made.public_bytes(serialization.Encoding.PEM)


class Passing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def pass_on(self, port, path, headers=(), change=lambda content: content):
        """The request to `port` on loopback, and its answer back; returns the answer's status."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection("localhost", port, timeout=60)
        try:
            fields = {name: value for name, value in self.headers.items() if name.lower() not in OWN}
            connection.request(self.command, path, body=body, headers=fields | dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.headers.get_content_type() == "application/json":
            content = change(content)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return answer.status

    def log_message(self, format, *arguments):
        pass


class Tls(Passing):
    def do_GET(self):
        front = self.server
        front.seen.append((self.command, self.path.partition("?")[0]))
        there, here = front.behind.geturl().encode(), front.origin.encode()
        # The addresses that are handed out lead here, so that a client stays on https.
        self.pass_on(front.behind.port, self.path, change=lambda content: content.replace(there, here))

    do_POST = do_PUT = do_GET


class Crossroads(Passing):
    """Submissions go to the provider, callbacks to the stack: the one is told to call back here instead of at the public origin, which
    is somebody else's."""

    def do_GET(self):
        roads = self.server
        if self.path.startswith("/hooks/"):
            there = {"Host": roads.host, "X-Forwarded-Proto": "https"}
            roads.callbacks.append(self.pass_on(roads.stack_port, self.path, there))
        else:
            path = self.path.replace(urllib.parse.quote(roads.behind.geturl(), safe=""), urllib.parse.quote(roads.origin, safe=""))
            self.pass_on(roads.behind.port, path)

    do_POST = do_PUT = do_GET


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # A client that hung up.


@contextlib.contextmanager
def serving(server, scheme, behind):
    server.behind = urllib.parse.urlsplit(behind)
    server.origin = f"{scheme}://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()


@contextlib.contextmanager
def front(origin):
    """A TLS listener in front of `origin`: it has its own `origin`, the path of the `certificate` to trust, and what it has `seen`.
    The authority signs for `localhost` alone, and its key is gone before anybody connects."""
    with tempfile.TemporaryDirectory() as folder, Server(("localhost", 0), Tls) as server:
        private, public = certificate()
        both, server.certificate = pathlib.Path(folder, "both.pem"), str(pathlib.Path(folder, "certificate.pem"))
        os.close(os.open(both, os.O_CREAT | os.O_WRONLY, 0o600))
        both.write_bytes(private + public)
        pathlib.Path(server.certificate).write_bytes(public)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        both.unlink()
        # The handshake is left to the connection's own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.seen = []
        with serving(server, "https", origin):
            yield server


@contextlib.contextmanager
def crossroads(origin, stack_port):
    """Between the stack, whose `host` is known later, and the provider of the edition at `origin`. It keeps how `callbacks` ended."""
    with Server(("localhost", 0), Crossroads) as server:
        server.stack_port, server.host, server.callbacks = stack_port, "", []
        with serving(server, "http", origin):
            yield server
