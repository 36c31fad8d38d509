#!/usr/bin/env python3
"""Pushes a model from a Hub to a registry of images on loopback, with dray and with what people use
instead.

    python bench/oci.py                          a table (2 GB in 4 shards, 3 runs of each)
    python bench/oci.py --registry /path/olareg  another registry than Debian's docker-registry

Needs `dray`, `bench_servers` and `bench_oci_floor` of the release preset, docker-registry and skopeo
(Debian packages), and a Python with the others: pip install huggingface_hub olot oci-modelcar.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import model
from measure import Run, compare, measured, start_time, table, total
from run import Servers, environment

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY, TAG = "models/noise-1b", "1.0.0"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = """version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: '127.0.0.1:{port}'}}
"""


class Registry:
    """Fresh and empty; its CPU time is nobody's."""

    def __init__(self, program: str, folder: pathlib.Path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address, self.folder = f"127.0.0.1:{port}", folder
        folder.mkdir()
        if pathlib.Path(program).name == "olareg":
            command = [program, "serve", "--dir", folder / "data", "--port", str(port)]
        else:
            (folder / "config.yml").write_text(CONFIG.format(folder=folder / "data", port=port))
            command = [program, "serve", folder / "config.yml"]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(200):
            with contextlib.suppress(OSError):
                if self.get("").status == 200:
                    return
            time.sleep(0.02)
        sys.exit(f"{program} does not answer:\n{(folder / 'log').read_text()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)

    def get(self, path: str):
        return urllib.request.urlopen(urllib.request.Request(
            f"http://{self.address}/v2/{path}", headers={"Accept": f"{MANIFEST}, {INDEX}"}))

    def layers(self) -> list[int]:
        """Sizes of the layers of what the tag names."""
        at = TAG
        while True:
            manifest = json.load(self.get(f"{REPOSITORY}/manifests/{at}"))
            if "layers" in manifest:
                return [layer["size"] for layer in manifest["layers"]]
            at = manifest["manifests"][0]["digest"]


def write_base(folder: pathlib.Path) -> None:
    """A layout with an image of one small layer, as a base for OLOT."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def blob(data: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    layer = blob(bytes(10240), "application/vnd.oci.image.layer.v1.tar")
    config = blob(json.dumps({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "base"}]}).encode(),
        "application/vnd.oci.image.config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                                "layers": [layer]}).encode(), MANIFEST)
    manifest["platform"] = {"architecture": "amd64", "os": "linux"}
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}))


def contestants(options, manifest: pathlib.Path, hub: str, files: list[str]) -> dict[str, list]:
    """The commands of each, one after the other; HOST, FOLDER and BASE stand for what is fresh."""
    tool = lambda name: options.tools / name
    to = f"HOST/{REPOSITORY}:{TAG}"
    dray = [options.dray, "import", f"hf://{model.REPO}", "--to", f"oci://{to}", "--registry",
            "none", "--base", "scratch"]
    modelcar = [tool("oci-modelcar"), "push", "--hf-repo", model.REPO, "--hf-endpoint", hub,
                "--registry", "http://HOST", "--target-repo", REPOSITORY, "--target-tag", TAG,
                "--spool-dir", "FOLDER", "--allow-patterns", "*", "--quiet"]
    return {
        "bench_oci_floor": [
            [options.build / "bench_oci_floor", manifest, hub, "http://HOST", REPOSITORY,
             options.floor_threads]],
        "dray, modelcar": [dray],
        "dray, ModelPack": [[*dray[:-2], "--format", "modelpack"]],
        "hf download + olot + skopeo": [
            [tool("hf"), "download", model.REPO, "--local-dir", "FOLDER"],
            [tool("olot"), "BASE", "--root-dir", "FOLDER", *(f"FOLDER/{path}" for path in files)],
            ["skopeo", "copy", "--multi-arch", "all", "--preserve-digests",
             "--dest-tls-verify=false", "oci:BASE", f"docker://{to}"]],
        "oci-modelcar": [modelcar],
        "oci-modelcar --workers 4": [[*modelcar, "--workers", "4"]],
    }


def run_once(commands: list, options, servers: Servers, size: int) -> Run:
    with tempfile.TemporaryDirectory(dir=options.work) as home, \
            Registry(options.registry, pathlib.Path(home) / "registry") as registry:
        home = pathlib.Path(home)
        write_base(home / "base")
        (home / "model").mkdir()
        stands_for = {"HOST": registry.address, "FOLDER": str(home / "model"),
                      "BASE": str(home / "base")}
        runs = []
        for command in commands:
            words = [str(word) for word in command]
            for name, value in stands_for.items():
                words = [word.replace(name, value) for word in words]
            runs.append(measured(words, environment(home, servers), home / "log"))
        found = sum(registry.layers())
        if not size <= found < size * 1.01:
            sys.exit(f"{commands[0][0]} left {found} bytes instead of {size}")
    os.sync()  # the next one must not pay for this one's disk
    return total(runs)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = HERE.parent / "build" / "release"
    add = parser.add_argument
    add("--build", type=pathlib.Path, default=build, help="where the programs of bench/ lie")
    add("--dray", type=pathlib.Path, help="the program (default: dray in --build)")
    add("--tools", type=pathlib.Path, default=pathlib.Path(sys.executable).parent,
        help="where hf, olot and oci-modelcar lie (default: beside this Python)")
    add("--registry", default="docker-registry", help="the program; olareg is known by its name")
    add("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "dray-bench",
        help="scratch; must not be a tmpfs; the model is kept in it for the next time")
    add("--gigabytes", type=float, default=2.0)
    add("--shards", type=int, default=4)
    add("--runs", type=int, default=3)
    add("--floor-threads", type=int, default=4)
    add("--only", action="append", help="a contestant by name; may be repeated")
    add("--markdown", action="store_true")
    options = parser.parse_args()
    options.dray = (options.dray or options.build / "dray").absolute()
    options.work = options.work.absolute()
    return options


def main() -> None:
    options = parse_options()
    size = int(options.gigabytes * 1e9)
    options.work.mkdir(parents=True, exist_ok=True)
    root = options.work / f"weights-{options.shards}x{size // options.shards}"
    manifest = model.make(root, options.shards, size)
    files = [file["path"] for file in manifest["files"]]
    size = sum(file["size"] for file in manifest["files"])
    load = os.getloadavg()[0]
    with Servers(options.build / "bench_servers", root.with_suffix(".json")) as servers:
        field = contestants(options, root.with_suffix(".json"), servers.hub, files)
        field = {name: commands for name, commands in field.items()
                 if not options.only or name in options.only}
        results = compare(field, options.runs,
                          lambda _, commands: run_once(commands, options, servers, size))
    print(table(results, options.markdown))
    print(f"\n{size / 1e9:.2f} GB in {len(files)} files, {options.runs} runs; `dray --version`: "
          f"{start_time(options.dray) * 1000:.1f} ms; load before: {load:.1f}, after: "
          f"{os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
