"""Real OCI registries on loopback: the CNCF's (once Docker's) as Debian has it and as it is now, and
olareg, which has the referrers API."""

import base64
import hashlib
import http.client
import json
import os
import re
import ssl
import urllib.parse

from servers import Daemon, SECRET, free_ports, make_ca
from token_server import TokenServer

USER, PASSWORD = "tests", SECRET
# PASSWORD by bcrypt, the one kind of hash that Docker's registry reads.
HTPASSWD = f"{USER}:$2b$04$vg.UZHx574q50CAKvHwP8.q5/8ciJSDB09Rf411tpAtbrjsxdKKsK\n"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Answer:
    """Of a registry: status, headers (by any case of their names), body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:500]}"


class Registry(Daemon):
    """A running registry. `auth` is None, "basic" or "token"; with a CA it speaks TLS."""

    has_referrers = False      # answers the referrers API
    keeps_cut_uploads = False  # an upload that was cut off within a request can go on
    takes_many_tags = False    # gives a manifest all the tags of one request

    def __init__(self, folder, bin_folder, auth=None, ca=None):
        super().__init__(folder, bin_folder, ca)
        self.auth, self._count = auth, 0
        self.user, self.password = (USER, PASSWORD) if auth else (None, None)
        self.tokens = TokenServer(self.folder, USER, PASSWORD) if auth == "token" else None

    @property
    def name(self):
        return "-".join(filter(None, (self.kind, self.auth, self.ca and "tls")))

    @property
    def base(self):
        return f"{'https' if self.ca else 'http'}://{self.url}"

    def new_port(self):
        """`url` is host:port, as references to images begin."""
        port, = free_ports(1)
        self.url = f"{'localhost' if self.tokens else '127.0.0.1'}:{port}"
        return port

    def new_repository(self):
        self._count += 1
        return f"models/m-{self._count}"

    def close(self):
        self.stop()
        if self.tokens:
            self.tokens.close()

    def connection(self):
        context = ssl.create_default_context(cafile=self.ca) if self.ca else None
        return (http.client.HTTPSConnection(self.url, timeout=60, context=context) if self.ca
                else http.client.HTTPConnection(self.url, timeout=60))

    def headers(self, *scopes):
        """What lets a request in; where tokens are wanted, one for the scopes."""
        if self.auth == "basic":
            return {"Authorization": basic(self.user, self.password)}
        return {"Authorization": f"Bearer {self.tokens.token(*scopes)}"} if self.tokens else {}

    def request(self, method, path, body=None, headers=None):
        """`path` may be a Location. Credentials are added unless `headers` has some."""
        headers = dict(headers or {})
        if "Authorization" not in headers:
            found = re.search(r"/v2/(.+?)/(blobs|manifests|referrers|tags)/", path)
            scopes = [f"repository:{found.group(1)}:pull,push,delete"] if found else []
            headers.update(self.headers(*scopes))
        if path.startswith("http"):
            parts = urllib.parse.urlsplit(path)
            path = urllib.parse.urlunsplit(("", "", *parts[2:]))
        connection = self.connection()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def start_upload(self, repository, query=""):
        return self.request("POST", f"/v2/{repository}/blobs/uploads/{query}",
                            headers={"Content-Length": "0"})

    def put_blob(self, repository, data):
        """Stores a blob and returns its digest."""
        where = self.start_upload(repository).headers["Location"]
        where += f"{'&' if '?' in where else '?'}digest={digest_of(data)}"
        answer = self.request("PUT", where, data, {"Content-Type": "application/octet-stream"})
        assert answer.status == 201, answer
        return digest_of(data)

    def put_manifest(self, repository, reference, manifest, query=""):
        """`manifest`: bytes, or what becomes JSON."""
        if not isinstance(manifest, bytes):
            manifest = json.dumps(manifest).encode()
        kind = json.loads(manifest).get("mediaType", MANIFEST)
        return self.request("PUT", f"/v2/{repository}/manifests/{reference}{query}", manifest,
                            {"Content-Type": kind})

    def manifest(self, repository, reference, accept=MANIFEST):
        return self.request("GET", f"/v2/{repository}/manifests/{reference}",
                            headers={"Accept": accept})

    def _answers(self):
        try:
            return self.request("GET", "/v2/").status == 200
        except (OSError, http.client.HTTPException):
            return False


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class DockerRegistry(Registry):
    kind = "docker-registry"
    program = "docker-registry"

    def command(self):
        settings = {
            "version": "0.1", "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": os.path.join(self.folder, "data")},
                        "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.new_port()}", "secret": SECRET}}
        if self.ca:
            certificates = os.path.dirname(self.ca)
            settings["http"]["tls"] = {"certificate": f"{certificates}/server.pem",
                                       "key": f"{certificates}/server.key"}
        if self.auth == "basic":
            path = os.path.join(self.folder, "htpasswd")
            with open(path, "w", encoding="ascii") as file:
                file.write(HTPASSWD)
            settings["auth"] = {"htpasswd": {"realm": "registry of the tests", "path": path}}
        elif self.auth == "token":
            settings["auth"] = {"token": {
                "realm": self.tokens.realm, "service": self.tokens.service,
                "issuer": self.tokens.issuer, "rootcertbundle": self.tokens.certificate}}
        path = os.path.join(self.folder, "registry.yml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(settings, file)  # which is YAML, too
        return ([os.path.join(self.bin, self.program), "serve", path],
                {"OTEL_TRACES_EXPORTER": "none"}, self._answers)


class Distribution(DockerRegistry):
    kind = "registry-v3"
    program = "registry"
    keeps_cut_uploads = True


class Olareg(Registry):
    kind = "olareg"
    has_referrers = keeps_cut_uploads = takes_many_tags = True

    def command(self):
        command = [os.path.join(self.bin, "olareg"), "serve", "--addr", "127.0.0.1", "--port",
                   str(self.new_port()), "--store-type", "dir", "--dir",
                   os.path.join(self.folder, "data"), "--api-delete", "--verbosity", "info"]
        if self.ca:
            certificates = os.path.dirname(self.ca)
            command += ["--tls-cert", f"{certificates}/server.pem",
                        "--tls-key", f"{certificates}/server.key"]
        return command, {}, self._answers


KINDS_OF_REGISTRIES = {kind.kind: kind for kind in (DockerRegistry, Distribution, Olareg)}


class Registries:
    """Registries by kind and how one proves who one is, started when first asked for."""

    def __init__(self, new_folder, bin_folder):
        self._new_folder, self._bin = new_folder, bin_folder
        self._running = {}

    def __call__(self, kind, auth=None, tls=False) -> Registry:
        key = (kind, auth, tls)
        if key not in self._running:
            folder = self._new_folder(kind)
            ca = make_ca(str(folder / "ca")) if tls else None
            self._running[key] = KINDS_OF_REGISTRIES[kind](folder, self._bin, auth, ca).start()
        return self._running[key]

    def reset(self):
        for registry in self._running.values():
            if registry.tokens:
                registry.tokens.reset()

    def stop(self):
        for registry in self._running.values():
            registry.close()
