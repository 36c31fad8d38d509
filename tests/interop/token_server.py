"""A small server of registry tokens on loopback: JSON Web Tokens as Docker's registry takes them.

A registry is told `realm`, `service`, `issuer` and the file `certificate`; it then answers requests
without a token with where to get one. Tokens are signed by the certificate's key (RS256, by openssl).
"""

import base64
import json
import os
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LEEWAY = 60  # seconds that both of Docker's registries take a token beyond its end


class Asked:
    """One request for a token: how it proved who it is, and the scopes as they were written."""

    def __init__(self, method, grant, user, scopes, status):
        self.method, self.grant, self.user = method, grant, user
        self.scopes, self.status = scopes, status

    def __repr__(self):
        return f"{self.method} {self.grant} {self.user} {self.scopes}: {self.status}"


class TokenServer:
    service, issuer = "registry of the tests", "token server of the tests"

    def __init__(self, folder, user, password):
        self.folder, self.user, self.password = str(folder), user, password
        self._key = os.path.join(self.folder, "token.key")
        self.certificate = os.path.join(self.folder, "token.pem")
        self._make_key()
        self._refresh = os.urandom(12).hex()
        self._lock = threading.Lock()
        self.reset()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        # As registries are called that send here: oras asks no other host, if that is a private
        # one, and crane no private address at all.
        self.realm = f"http://localhost:{self._server.server_address[1]}/token"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def reset(self):
        """Nothing asked yet, and the usual answers."""
        with self._lock:
            self.asked = []
        self.lifetime = 300    # seconds, as told to clients; None: not told, which means 60
        self.honoured = None   # seconds after which registries refuse a token; None: as told
        self.grants = lambda name, action: True  # which of the actions asked for a token allows
        self.anonymous = lambda name, action: False  # the same for who gives no password

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def scopes(self):
        """All scopes that were asked for so far, one by one, in order."""
        with self._lock:
            return [scope for asked in self.asked for scope in asked.scopes]

    def token(self, *scopes, honoured=None, user="tests", allowed=lambda name, action: True):
        """A token for the scopes; `honoured` seconds from now registries refuse it."""
        honoured = self.honoured if honoured is None else honoured
        now = int(time.time())
        end = now + (self.lifetime or 60) if honoured is None else now + honoured - LEEWAY
        return self._sign({
            "iss": self.issuer, "sub": user, "aud": self.service, "exp": end, "iat": now,
            "nbf": now - 10, "jti": os.urandom(8).hex(),
            "access": [one for scope in scopes if (one := _access(scope, allowed))]})

    def _make_key(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout",
                        self._key, "-out", self.certificate, "-subj", "/CN=tokens of the tests",
                        "-days", "2"], check=True, capture_output=True)
        with open(self.certificate, encoding="ascii") as file:
            self._chain = ["".join(file.read().split("-----")[2].split())]

    def _sign(self, claims):
        header = {"typ": "JWT", "alg": "RS256", "x5c": self._chain}
        signed = ".".join(_url64(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self._key],
                                   input=signed.encode(), check=True, capture_output=True).stdout
        return f"{signed}.{_url64(signature)}"

    def answer(self, method, fields, basic):
        """Status and JSON of a request with these fields (name → values) and Basic credentials."""
        scopes = [scope for value in fields.get("scope", []) for scope in value.split()]
        grant = fields.get("grant_type", ["basic" if basic else "anonymous"])[0]
        if grant == "refresh_token":
            good = fields.get("refresh_token") == [self._refresh]
            user = self.user
        else:
            user, password = basic or (fields.get("username", [""])[0],
                                       fields.get("password", [""])[0])
            good = grant == "anonymous" or (user, password) == (self.user, self.password)
        status = 200 if good and fields.get("service") == [self.service] else 401
        with self._lock:
            self.asked.append(Asked(method, grant, user, scopes, status))
        if status != 200:
            return status, {"errors": [{"code": "UNAUTHORIZED", "message": "who is that?"}]}
        allowed = self.anonymous if grant == "anonymous" else self.grants
        token = self.token(*scopes, user=user, allowed=allowed)
        answer = {"access_token": token} if method == "POST" else {"token": token}
        if self.lifetime is not None:
            answer["expires_in"] = self.lifetime
        if fields.get("offline_token") == ["true"] or fields.get("access_type") == ["offline"]:
            answer["refresh_token"] = self._refresh
        return status, answer


def _access(scope, allowed):
    """What a token says of a scope `type:name:action,action`; None if nothing of it is allowed."""
    kind, rest = scope.split(":", 1)
    name, actions = rest.rsplit(":", 1)
    actions = [action for action in actions.split(",") if allowed(name, action)]
    return {"type": kind, "name": name, "actions": actions} if actions else None


def _url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _handler(tokens):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self._answer(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query))

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(urllib.parse.parse_qs(body.decode()))

        def _answer(self, fields):
            basic = self.headers.get("Authorization", "")
            if basic.startswith("Basic "):
                basic = tuple(base64.b64decode(basic[6:]).decode().split(":", 1))
            status, answer = tokens.answer(self.command, fields, basic)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    return Handler
