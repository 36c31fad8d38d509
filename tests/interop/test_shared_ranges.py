"""A new version of a model sends only what changed, also inside large files."""

import hashlib
import random
import socket
import struct
import threading

import pytest

from readers import objects
from support import MIB, folder_bytes, llama_files, safetensors

NAME = "org/grows"
WEIGHTS = "model.safetensors"
TENSOR = 6 * MIB


class Counter:
    """A way to a server that counts what goes to it."""

    def __init__(self, host, port):
        self._to, self.sent = (host, port), 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._to)
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source, target, counted):
        try:
            while data := source.recv(1 << 16):
                if counted:
                    with self._lock:
                        self.sent += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self._listener.close()


def model(tensors):
    files = llama_files(seed=1, shard_mib=1)
    files = {path: data for path, data in files.items() if not path.startswith("model")}
    files[WEIGHTS] = safetensors(tensors)
    return files


def some_tensors(count):
    rand = random.Random(7)
    return {f"layers.{number:04d}.weight": rand.randbytes(TENSOR) for number in range(count)}


def change(tensors, numbers):
    names = sorted(tensors)
    for number in numbers:
        data = bytearray(tensors[names[number]])
        data[TENSOR // 2] ^= 1
        tensors[names[number]] = bytes(data)


def check_pulled(dray, bucket, version, files, folder):
    dray("pull", f"grows:{version}", folder, "--store", f"s3://{bucket}")
    assert folder_bytes(folder) == files


@pytest.mark.parametrize("count", [34, pytest.param(340, marks=pytest.mark.full)])
def test_three_percent_changed(dray, hub, servers, tmp_path, count):
    server = servers("versitygw")
    bucket = server.new_bucket()
    host, _, port = server.url.rpartition("/")[2].partition(":")
    counter = Counter(host, int(port))
    dray = dray.with_settings(**{**server.settings(), "AWS_ENDPOINT_URL_S3": counter.url})
    tensors = some_tensors(count)
    hub.add(NAME, model(tensors))
    first = dray("import", f"hf://{NAME}", "--to", f"s3://{bucket}", "--json").json
    total = count * TENSOR
    assert first["bytes_stored"] > total and counter.sent > total

    change(tensors, range(2, count, 34))
    files = model(tensors)
    hub.add(NAME, files)
    plan = dray("import", f"hf://{NAME}", "--to", f"s3://{bucket}", "--dry-run", "--json").json
    assert plan["bytes_shared_at_most"] > total
    counter.sent = 0
    second = dray("import", f"hf://{NAME}", "--to", f"s3://{bucket}", "--json").json
    sent = counter.sent
    print(f"{sent} of {total} bytes went to the server, {100 * sent / total:.2f} %")
    assert second["version"] == "1.0.1"
    assert sent <= 0.05 * total
    assert second["bytes_stored"] <= 0.05 * total
    assert second["bytes_reused"] > 0.9 * total
    assert second["bytes_fetched"] > total, "every byte is read to be verified"
    dray("verify", "grows:1.0.1", "--store", f"s3://{bucket}")
    check_pulled(dray, bucket, "1.0.1", files, tmp_path / "pulled")
    counter.close()


def record_of(text, data):
    """The record `text`, with the digests of the pieces of other bytes."""
    lines = text.splitlines()[:3]
    assert lines[2].endswith(WEIGHTS)
    at = 8 + struct.unpack("<Q", data[:8])[0]
    pieces = [(0, at), *((begin, TENSOR) for begin in range(at, len(data), TENSOR))]
    lines += [f"{begin} {length} {hashlib.sha256(data[begin:begin + length]).hexdigest()}"
              for begin, length in pieces]
    return "\n".join(lines) + "\n"


def test_a_wrong_record_never_makes_wrong_bytes(dray, hub, s3, tmp_path):
    bucket, key = s3.new_bucket(), ".dray/ranges/grows/1.0.1.txt"
    dray = dray.with_settings(**s3.settings())
    tensors = some_tensors(8)
    hub.add(NAME, model(tensors))
    dray("import", f"hf://{NAME}", "--to", f"s3://{bucket}")
    change(tensors, [5])
    old = model(tensors)
    hub.add(NAME, old)
    dray("import", f"hf://{NAME}", "--to", f"s3://{bucket}")
    text = s3.client().get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert record_of(text, old[WEIGHTS]) == text

    change(tensors, [3])
    new = model(tensors)
    s3.client().put_object(Bucket=bucket, Key=key, Body=record_of(text, new[WEIGHTS]).encode())
    hub.add(NAME, new)
    result = dray("import", f"hf://{NAME}", "--to", f"s3://{bucket}", "--json").json
    assert result["version"] == "1.0.2" and result["bytes_stored"] >= TENSOR
    dray("verify", "grows:1.0.2", "--store", f"s3://{bucket}")
    check_pulled(dray, bucket, "1.0.2", new, tmp_path / "pulled")
    assert not [name for name in objects(s3, bucket) if name.startswith(".dray/probe/")]
