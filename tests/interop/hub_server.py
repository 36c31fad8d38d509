"""A small server of the Hub's API on loopback, checked in test_hub_server.py by the real client.

Two hosts, as the real Hub has: the API, and a CDN at another port that large files are redirected to
by signed links. Both record what they were asked, and the CDN can be made slow.
"""

import hashlib
import json
import os
import re
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = 5  # entries of a tree page: few, so that every listing is paged
LARGE = (".safetensors", ".bin", ".h5", ".gguf", ".pt", ".onnx")
SAFE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/"


class File:
    def __init__(self, path, data):
        self.path, self.data = path, data
        self.large = path.endswith(LARGE) or len(data) > 10_000_000
        self.sha256 = hashlib.sha256(data).hexdigest()
        blob = self._pointer() if self.large else data
        self.git_sha1 = hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()

    def _pointer(self):
        return (f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\n"
                f"size {len(self.data)}\n").encode()

    @property
    def etag(self):
        return self.sha256 if self.large else self.git_sha1

    def entry(self):
        entry = {"type": "file", "path": self.path, "size": len(self.data), "oid": self.git_sha1}
        if self.large:
            entry["lfs"] = {"oid": self.sha256, "size": len(self.data),
                            "pointerSize": len(self._pointer())}
        return entry


class Repo:
    def __init__(self, name, files, *, token=None, gated=False):
        self.name, self.token, self.gated = name, token, gated
        self.files = {path: File(path, data) for path, data in files.items()}
        listing = "".join(f"{path} {file.sha256}\n" for path, file in sorted(self.files.items()))
        self.commit = hashlib.sha1(listing.encode()).hexdigest()


def read_folder(folder):
    """path → bytes of all files below a folder."""
    files = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(top, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = file.read()
    return files


class _Host(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, hub, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.hub = hub
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Hub:
    """`add` repositories, hand `url` to a client as HF_ENDPOINT, look at what was asked."""

    def __init__(self):
        self.repos = {}
        self.bytes_per_second = None  # of the CDN, all connections together
        self.ranges = True            # False: every GET gives the whole file
        self._lock = threading.Lock()
        self._paid_until = 0.0
        self.requests = []  # (host, method, path, headers with lower-case names)
        self.sent = 0       # body bytes of resolve and CDN answers
        self.large_sent = 0  # those of the CDN alone
        self._secret = os.urandom(8).hex()
        self.cdn = _Host(self, _Cdn)
        self.api = _Host(self, _Api)
        self.url = self.api.url

    def add(self, name, files, **options):
        self.repos[name] = Repo(name, files, **options)
        return self.repos[name]

    def reset(self):
        with self._lock:
            self.requests, self.sent, self.large_sent = [], 0, 0
        self.bytes_per_second, self.ranges = None, True

    def close(self):
        for host in (self.api, self.cdn):
            host.shutdown()
            host.server_close()

    def record(self, host, handler):
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.requests.append((host, handler.command, handler.path, headers))

    def count_sent(self, count, large):
        with self._lock:
            self.sent += count
            if large:
                self.large_sent += count

    def wait_turn(self, count):
        """Spreads the bytes of all connections over time, so that they keep to bytes_per_second."""
        rate = self.bytes_per_second
        if rate:
            with self._lock:
                now = time.monotonic()
                self._paid_until = max(self._paid_until, now) + count / rate
                wait = self._paid_until - now
            time.sleep(wait)

    def sign(self, path):
        return hashlib.sha256((self._secret + path).encode()).hexdigest()[:32]

    def cdn_url(self, repo, file):
        path = f"/{repo.name}/{file.sha256}"
        return f"{self.cdn.url}{path}?Signature={self.sign(path)}&Expires=3600"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers=None, body=b""):
        self.send_response(status)
        headers = dict(headers or {})
        headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value, headers=None):
        self.answer(200, {"Content-Type": "application/json", **(headers or {})},
                    json.dumps(value).encode())

    def refuse(self, status, code, text, headers=None):
        self.answer(status, {"X-Error-Code": code, "X-Error-Message": text,
                             "Content-Type": "application/json", **(headers or {})},
                    json.dumps({"error": text}).encode())

    def send_file(self, file, headers, large):
        size, status, first, last = len(file.data), 200, 0, len(file.data) - 1
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted and self.command == "GET" and self.server.hub.ranges:
            first = int(wanted.group(1))
            last = min(int(wanted.group(2) or size), size - 1)
            if first >= size:
                self.answer(416, {"Content-Range": f"bytes */{size}"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        body = memoryview(file.data)[first:last + 1]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Accept-Ranges": "bytes",
                            "Content-Type": "application/octet-stream"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        step = 64 * 1024 if self.server.hub.bytes_per_second else 1024 * 1024
        for offset in range(0, len(body), step):
            piece = body[offset:offset + step]
            self.server.hub.wait_turn(len(piece))
            self.wfile.write(piece)
            self.server.hub.count_sent(len(piece), large)


class _Cdn(_Handler):
    def do_GET(self):
        hub = self.server.hub
        hub.record("cdn", self)
        where = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(where.query))
        if query.get("Signature") != hub.sign(where.path):
            self.answer(403, body=b"<Error><Code>AccessDenied</Code></Error>")
            return
        repo, _, digest = where.path[1:].rpartition("/")
        for file in hub.repos[repo].files.values():
            if file.sha256 == digest:
                self.send_file(file, {"ETag": f'"{file.sha256}"'}, large=True)
                return
        self.answer(404)

    do_HEAD = do_GET


class _Api(_Handler):
    def do_GET(self):
        hub = self.server.hub
        hub.record("api", self)
        where = urllib.parse.urlsplit(self.path)
        if where.path.startswith("/api/models/"):
            self._api(hub, where)
        elif "/resolve/" in where.path:
            self._resolve(hub, where)
        else:
            self.answer(404, body=b"no such page")

    do_HEAD = do_GET

    def do_POST(self):
        hub = self.server.hub
        hub.record("api", self)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        match = re.fullmatch(r"/api/models/(.+)/paths-info/([^/]+)", self.path)
        repo = self._repo(hub, match.group(1), match.group(2)) if match else None
        if not match:
            self.answer(404)
        elif repo:
            if "json" in self.headers.get("Content-Type", ""):
                paths = json.loads(body)["paths"]
            else:
                paths = urllib.parse.parse_qs(body)["paths"]
            self.answer_json([repo.files[path].entry() for path in paths if path in repo.files])

    def _repo(self, hub, name, revision):
        """The repository, or None when an error was answered."""
        repo = hub.repos.get(urllib.parse.unquote(name))
        given = self.headers.get("Authorization", "")
        if repo is None or (repo.token and given != f"Bearer {repo.token}"):
            if repo is not None and repo.gated and given:
                self.refuse(403, "GatedRepo", "Access to this model is restricted.")
            elif repo is not None and repo.gated:
                self.refuse(401, "GatedRepo", "Access to this model is restricted: log in.")
            else:
                self.refuse(401, "RepoNotFound", "Invalid username or password.")
            return None
        if urllib.parse.unquote(revision) not in ("main", repo.commit):
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repo

    def _api(self, hub, where):
        rest = where.path[len("/api/models/"):]
        if match := re.fullmatch(r"(.+)/tree/([^/]+)(?:/(.*))?", rest):
            self._tree(hub, match, dict(urllib.parse.parse_qsl(where.query)))
            return
        if match := re.fullmatch(r"(.+)/refs", rest):
            if repo := self._repo(hub, match.group(1), "main"):
                self.answer_json({"tags": [], "converts": [], "branches": [
                    {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.commit}]})
            return
        name, _, revision = rest.partition("/revision/")
        if repo := self._repo(hub, name, revision or "main"):
            self.answer_json({
                "_id": repo.commit[:24], "id": repo.name, "modelId": repo.name, "sha": repo.commit,
                "private": False, "gated": "manual" if repo.gated else False, "disabled": False,
                "lastModified": "2024-01-02T03:04:05.000Z", "tags": ["license:apache-2.0"],
                "siblings": [{"rfilename": path} for path in sorted(repo.files)]})

    def _tree(self, hub, match, query):
        repo = self._repo(hub, match.group(1), match.group(2))
        if repo is None:
            return
        folder = urllib.parse.unquote(match.group(3) or "")
        prefix = folder + "/" if folder else ""
        recursive = query.get("recursive", "false").lower() in ("true", "1")
        entries = {}
        for path, file in sorted(repo.files.items()):
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix):].split("/")
            for depth in range(1, len(parts)):
                name = prefix + "/".join(parts[:depth])
                if depth == 1 or recursive:
                    entries[name] = {"type": "directory", "path": name, "size": 0,
                                     "oid": hashlib.sha1(name.encode()).hexdigest()}
            if len(parts) == 1 or recursive:
                entries[path] = file.entry()
        if folder and not entries:
            self.refuse(404, "EntryNotFound", f"{folder} does not exist",
                        {"X-Repo-Commit": repo.commit})
            return
        start = int(query.get("cursor", 0))
        headers = {}
        if start + PAGE < len(entries):
            again = urllib.parse.urlencode({**query, "cursor": start + PAGE})
            path = self.path.split("?")[0]
            headers["Link"] = f'<{hub.url}{path}?{again}>; rel="next"'
        self.answer_json(list(entries.values())[start:start + PAGE], headers)

    def _resolve(self, hub, where):
        match = re.fullmatch(r"/(.+?)/resolve/([^/]+)/(.+)", where.path)
        repo = self._repo(hub, match.group(1), match.group(2))
        if repo is None:
            return
        commit = {"X-Repo-Commit": repo.commit}
        path = urllib.parse.unquote(match.group(3))
        file = repo.files.get(path)
        if file is None:
            self.refuse(404, "EntryNotFound", f"{path} does not exist", commit)
        elif file.large:
            self.answer(302, {**commit, "Location": hub.cdn_url(repo, file),
                              "X-Linked-ETag": f'"{file.sha256}"',
                              "X-Linked-Size": str(len(file.data)), "Content-Length": "0"})
        else:
            self.send_file(file, {**commit, "ETag": f'"{file.git_sha1}"'}, large=False)
