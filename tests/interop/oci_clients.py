"""The usual clients of OCI registries, and an image layout for them to carry."""

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

from registries import MANIFEST, digest_of

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
TIME = "2026-01-01T00:00:00Z"


class Clients:
    """crane, oras, skopeo and umoci, with a home and credentials of their own."""

    def __init__(self, home, bin_folder):
        self.home, self.bin = Path(home), bin_folder
        self.docker_config = self.home / "docker"
        self.docker_config.mkdir(parents=True)

    def login(self, registry, password=None):
        """Credentials for all clients; fails if the registry refuses them."""
        return self.oras("login", registry.url, "--username", registry.user, "--password-stdin",
                         registry=registry, stdin=password or registry.password)

    def oras(self, *arguments, registry=None, **more):
        way = ["--ca-file", registry.ca] if registry and registry.ca else ["--plain-http"]
        return self.run(os.path.join(self.bin, "oras"), *arguments, *way, **more)

    def crane(self, *arguments, **more):
        return self.run(os.path.join(self.bin, "crane"), "--insecure", *arguments, **more)

    def skopeo(self, *arguments, **more):
        return self.run("skopeo", *arguments, **more)

    def umoci(self, *arguments, **more):
        return self.run("umoci", *arguments, **more)

    def run(self, program, *arguments, good=True, stdin="", limit=60):
        """What the program printed: its output if it ends well, else (`good` False) what it
        complained about. Bytes, since manifests are compared byte by byte."""
        done = subprocess.run(
            [program, *map(str, arguments)], input=stdin.encode(), capture_output=True,
            timeout=limit, check=False, cwd=self.home,
            env={"PATH": os.defpath, "HOME": str(self.home), "LC_ALL": "C.UTF-8",
                 "XDG_RUNTIME_DIR": str(self.home), "DOCKER_CONFIG": str(self.docker_config),
                 "_CONTAINERS_ROOTLESS_UID": "1",  # skopeo keeps its cache at home, too
                 "REGISTRY_AUTH_FILE": str(self.docker_config / "config.json")})
        said = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
        assert (done.returncode == 0) == good, (
            f"{os.path.basename(program)} {' '.join(map(str, arguments))}: exit status "
            f"{done.returncode}\n{said}")
        return done.stdout if good else done.stderr


def write_layout(folder, files, tag="latest"):
    """An image layout with the files (path → bytes) below models/, a layer each; returns the
    manifest's bytes."""
    blobs = Path(folder) / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data, kind, **more):
        (blobs / digest_of(data).partition(":")[2]).write_bytes(data)
        return {"mediaType": kind, "digest": digest_of(data), "size": len(data), **more}

    layers = [put(_tar(f"models/{path}", data), LAYER,
                  annotations={"org.opencontainers.image.title": path})
              for path, data in sorted(files.items())]
    config = put(json.dumps({
        "created": TIME, "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        "history": [{"created": TIME} for _ in layers]}).encode(), CONFIG)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                           "layers": layers}).encode()
    entry = put(manifest, MANIFEST, annotations={"org.opencontainers.image.ref.name": tag})
    for name, value in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                        ("index.json", {"schemaVersion": 2, "manifests": [entry]})):
        (Path(folder) / name).write_text(json.dumps(value), encoding="utf-8")
    return manifest


def _tar(path, data):
    """One file with its folders, all alike whenever it is made."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        parts = path.split("/")
        for count in range(1, len(parts)):
            folder = tarfile.TarInfo("/".join(parts[:count]))
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        file = tarfile.TarInfo(path)
        file.size, file.mode = len(data), 0o644
        tar.addfile(file, io.BytesIO(data))
    return out.getvalue()
