"""Bad input to `dray serve` over the network: the right answer, and nothing else happens."""

import json
import os
import signal
import socket
import time
import urllib.parse

import pytest

from registry_requests import Player
from registry_server import API, DrayServe


@pytest.fixture(name="server")
def _server(program, tmp_path):
    with DrayServe(program, tmp_path, "--max-connections", "64") as running:
        player = Player(running.url)
        assert player.send("POST", "registered_models", {"name": "there"})[0] == 201
        yield running
        # Whatever was sent: the server goes on, and nothing was changed.
        status, _, page = player.send("GET", "registered_models")
        assert status == 200 and [item["name"] for item in page["items"]] == ["there"]
        assert player.send("GET", "model_versions")[2]["size"] == 0
        assert player.send("GET", "artifacts")[2]["size"] == 0
        assert running.process.poll() is None
        assert running.end() == 0


def connect(server):
    address = urllib.parse.urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=60)


def status_of(connection):
    """The status of the answer; 0 when the connection ends without one."""
    data = b""
    while b"\r\n" not in data:
        got = connection.recv(4096)
        if not got:
            return 0
        data += got
    return int(data.split()[1])


def head(method, path, *fields):
    return "\r\n".join([f"{method} {API}{path} HTTP/1.1", "Host: 127.0.0.1", *fields, "",
                        ""]).encode()


def resident_mib(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) // 1024 for line in file if line.startswith("VmHWM"))


def test_a_body_of_a_gibibyte_is_refused_before_it_is_sent(server):
    with connect(server) as connection:
        connection.sendall(head("POST", "registered_models", "Content-Length: 1073741824",
                                "Content-Type: application/json"))
        assert status_of(connection) == 413


def test_a_gibibyte_that_is_sent_all_the_same_takes_no_memory(server):
    before = resident_mib(server.process)
    for fields in (["Content-Length: 1073741824"], ["Expect: 100-continue",
                                                    "Content-Length: 1073741824"]):
        with connect(server) as connection:
            connection.sendall(head("POST", "registered_models", *fields))
            try:
                for _ in range(16):
                    connection.sendall(b"x" * (1 << 20))
            except OSError:
                pass  # the server has closed; its answer came before
            assert status_of(connection) == 413
    with connect(server) as connection:  # without a length: read to its end, kept nowhere
        connection.sendall(head("POST", "registered_models", "Transfer-Encoding: chunked"))
        block = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
        for _ in range(256):
            connection.sendall(block)
        connection.sendall(b"0\r\n\r\n")
        assert status_of(connection) == 413
    assert resident_mib(server.process) - before < 64


NESTED = 100_000
BODIES = {
    "nested arrays": b'{"name":' + b"[" * NESTED + b"]" * NESTED + b"}",
    "nested objects": b'{"a":' * NESTED + b"1" + b"}" * NESTED,
    "unfinished nesting": b"[" * NESTED,
    "nested properties": json.dumps({"name": "x", "customProperties": {"a": {
        "metadataType": "MetadataStringValue", "string_value": {"b": ["c"]}}}}).encode(),
    "not JSON": b"name=there",
    "a number": b"7",
    "a list": b'[{"name": "x"}]',
    "text behind": b'{"name": "x"} {"name": "y"}',
    "a name twice": b'{"name": "x", "name": "y"}',
    "a number as name": b'{"name": 7}',
    "a list as name": b'{"name": ["x"]}',
    "null as name": b'{"name": null}',
    "an unknown field": b'{"name": "x", "admin": true}',
    "an unknown state": b'{"name": "x", "state": "ROOT"}',
    "text as properties": b'{"name": "x", "customProperties": "y"}',
    "a list as language": b'{"name": "x", "language": "en"}',
    "invalid UTF-8": b'{"name": "x\xff"}',
    "a lone surrogate": b'{"name": "x\\ud800"}',
    "NUL": b'{"name": "x\x00y"}',
    "an escaped NUL": b'{"name": "x\\u0000y"}',
    "a name that is too long": json.dumps({"name": "x" * 256}).encode(),
    "no name": b"{}",
    "an empty name": b'{"name": ""}',
    "nothing": b"",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_bodies_that_are_no_model(server, body):
    status, kind, answer = Player(server.url).send("POST", "registered_models", body)
    assert status in (400, 422) and "json" in kind, (status, answer)
    assert set(answer) == {"code", "message"} and answer["code"] == "Bad Request"


IDS = ["0", "-1", "1.5", "1e3", "abc", "%20", "%00", "1%00", "1'--", "1%20OR%201=1",
       "9" * 30, "2147483648", "%d9%a1", "%ff", "..%2f1",
       "1;DROP%20TABLE%20resource"]


@pytest.mark.parametrize("name", IDS)
def test_ids_that_are_none(server, name):
    player = Player(server.url)
    for path in ("registered_models/", "model_versions/", "artifacts/", "experiments/"):
        status, _, answer = player.send("GET", path + name)
        assert status in (400, 404), (path, status, answer)
        status, _, answer = player.send("PATCH", path + name, {"description": "x"})
        assert status in (400, 404), (path, status, answer)


FILTERS = [
    "name = 'x'; DROP TABLE resource; --", "name = 'x' UNION SELECT * FROM sqlite_master",
    "1 = 1", "name = 'a' OR '1' = '1'", "name = 'a') OR (1=1", "id IN (SELECT id FROM resource)",
    "name LIKE", "(" * 5000 + "name = 'a'" + ")" * 5000, " OR ".join(["name = 'a'"] * 5000),
    "name = 'unfinished", "`p", "name = " + "9" * 400, "name IN ('a'",
    "name = \x01", "ATTACH DATABASE '/tmp/x' AS y", "load_extension('x')", "name = $1", "name = ?",
    "name = 'a' /* c */", "NOT name = 'a'", "name IS NULL", "AND", "=", "\\",
]


@pytest.mark.parametrize("number", range(len(FILTERS)))
def test_filters_that_are_none_or_sql(server, number):
    query = urllib.parse.urlencode({"filterQuery": FILTERS[number]})
    status, kind, answer = Player(server.url).send("GET", f"registered_models?{query}")
    assert status in (400, 414, 431) and (status != 400 or "json" in kind), (status, answer)


def test_queries_that_cannot_be_read(server):
    player = Player(server.url)
    for query in ("filterQuery=%zz", "filterQuery=%", "pageSize=1;2", "filterQuery=%ff",
                  "filterQuery=name%3D'%00'", "pageSize=x", "pageSize=1.5",
                  "pageSize=99999999999999999999", "nextPageToken=%20", "nextPageToken=" + "A" * 2000,
                  "nextPageToken=MTphYmM6ZGVm!"):
        assert player.send("GET", f"registered_models?{query}")[0] == 400, query


def test_requests_that_are_no_http(server):
    for request in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET\r\n\r\n", b"\x00" * 100,
                    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
                    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 300_000 + b"\r\n\r\n"):
        with connect(server) as connection:
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                status = status_of(connection)
            except OSError:
                status = 0
            assert status == 0 or 400 <= status < 500, request[:40]


def test_thousands_of_silent_connections_keep_nobody_out(server):
    silent = []
    try:
        for count in range(3000):
            connection = socket.socket()
            connection.settimeout(10)
            address = urllib.parse.urlsplit(server.url)
            connection.connect((address.hostname, address.port))
            silent.append(connection)
            if count % 500 == 499:
                assert Player(server.url).send("GET", "registered_models")[0] == 200
    finally:
        for connection in silent:
            connection.close()


def test_it_ends_soon_although_clients_are_connected(program, tmp_path):
    with DrayServe(program, tmp_path) as running:
        idle, slow = connect(running), connect(running)
        idle.sendall(head("GET", "registered_models"))
        assert status_of(idle) == 200
        slow.sendall(head("POST", "registered_models", "Content-Length: 100"))
        began = time.monotonic()
        assert running.end(signal.SIGINT) == 0
        # Two seconds on a machine that does nothing else.
        assert time.monotonic() - began < 15
    assert os.path.exists(running.file)


def test_it_refuses_to_serve_strangers_unless_told(dray):
    refused = dray("serve", "--listen", "0.0.0.0:0", "--registry", "sqlite:r.db", code=2)
    assert "--access" in refused.err
    refused = dray("serve", "--registry", "http://127.0.0.1:1", code=2)
    assert "sqlite:" in refused.err
    assert dray("serve", "--tls-cert", "none.pem", code=None).code != 0
