"""A proxy on loopback that keeps every request and answer, to compare two servers' answers."""

import http.client
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Recorder:
    def __init__(self, target):
        self.target = urllib.parse.urlsplit(target)
        self.exchanges = []  # (method, path with query, sent, status, answered)
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self):
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length)
                connection = http.client.HTTPConnection(recorder.target.hostname,
                                                        recorder.target.port, timeout=60)
                headers = {name: value for name, value in self.headers.items()
                           if name.lower() not in ("host", "connection")}
                connection.request(self.command, self.path, body=sent or None, headers=headers)
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                recorder.exchanges.append((self.command, self.path, sent, answer.status, body))
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.getheader("Content-Type") or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _pass_on

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Normal:
    """Makes answers of two servers comparable: ids become numbers in order of their appearance,
    times and tokens words."""

    REFERENCES = {"registeredModelId", "modelVersionId", "servingEnvironmentId", "experimentId",
                  "experimentRunId"}
    TIMES = {"createTimeSinceEpoch", "lastUpdateTimeSinceEpoch"}

    def __init__(self, messages=True):
        self.ids, self.messages = {}, messages

    def body(self, body):
        try:
            return self.value(json.loads(body))
        except ValueError:
            return body.decode("utf-8", "replace")

    def value(self, value, key="", family=""):
        if isinstance(value, dict):
            family = _family(value)
            return {name: self.value(inner, name, family) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, key, family) for inner in value]
        if key == "id" or key in self.REFERENCES:
            # Kubeflow's server has a sequence of ids for each of these families.
            known = ("context" if key in self.REFERENCES else family, value)
            return self.ids.setdefault(known, f"{known[0]}-{len(self.ids) + 1}")
        if key in self.TIMES:
            return f"time of {len(value)} digits" if value.isdigit() else value
        if key == "nextPageToken":
            return "token" if value else ""
        if key == "message":
            # Ids stand in them too; how a parser tells what is wrong with a filter is its own.
            shown = re.sub(r"\d+", "N", value).split(": ")[0]
            return shown if self.messages else "message" if value else ""
        return value


def _family(resource):
    if "artifactType" in resource:
        return "artifact"
    is_execution = "modelVersionId" in resource and "servingEnvironmentId" not in resource
    return "execution" if is_execution else "context"
