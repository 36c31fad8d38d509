"""A registry whose models lie in a registry of images: some made by dray, some by other tools."""

import json
import random
import urllib.request

from oci_clients import write_layout
from registry_server import API
from support import safetensors

MODELS = 5  # of each kind
VERSIONS = ("1.0.0", "1.1.0")


def model_files(seed):
    """A model of one small weights file."""
    rand = random.Random(seed)
    return {
        "model.safetensors": safetensors({"w": rand.randbytes(2 * rand.randrange(1_000, 400_000))}),
        "config.json": json.dumps({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
                                   "seed": seed}).encode(),
        "tokenizer.json": b'{"version": "1.0"}\n',
        "tokenizer_config.json": b'{"tokenizer_class": "LlamaTokenizer"}\n',
        "sub/notes.txt": b"kept as well\n"}


class Entries:
    """The registry, by plain REST."""

    def __init__(self, url):
        self.base = url + API

    def request(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def register(self, name, version, uri):
        """As the older pipeline does it; adds the version where the model is there."""
        models = {item["name"]: item["id"] for item in self.items("registered_models")}
        model = models.get(name) or self.request("POST", "registered_models", {"name": name})["id"]
        made = self.request("POST", "model_versions", {
            "name": version, "registeredModelId": model, "customProperties": {
                "storage_type": {"metadataType": "MetadataStringValue", "string_value": "oci"}}})
        return self.request("POST", f"model_versions/{made['id']}/artifacts", {
            "artifactType": "model-artifact", "name": name, "uri": uri, "state": "LIVE"})["id"]

    def items(self, path):
        return self.request("GET", f"{path}?pageSize=1000")["items"]

    def set_uri(self, artifact, uri):
        self.request("PATCH", f"model_artifacts/{artifact}", {"uri": uri})

    def all(self):
        """(name, version) → its entry."""
        found = {}
        for model in self.items("registered_models"):
            for version in self.items(f"registered_models/{model['id']}/versions"):
                artifact, = self.items(f"model_versions/{version['id']}/artifacts")
                properties = {key: value.get("string_value")
                              for key, value in version["customProperties"].items()}
                own = artifact.get("customProperties", {})
                moves = json.loads(own.get("dray.moves", {}).get("string_value", "[]"))
                found[model["name"], version["name"]] = {
                    "uri": artifact["uri"], "state": artifact["state"], "artifact": artifact["id"],
                    "version": version["id"], "model": model["id"], "properties": properties,
                    "moves": moves}
        return found


class Cars:
    """Puts models into the registry of images and registers them. `files`: (name, version) → path →
    bytes."""

    def __init__(self, dray, images, clients, url, folder):
        self.dray, self.images, self.clients, self.folder = dray, images, clients, folder
        self.url, self.entries, self.files = url, Entries(url), {}
        self.root = images.new_repository()
        self.place = f"oci://{images.url}/{self.root}"

    def add_foreign(self, name, version, files, compressed=True):
        layout = self.folder / f"{name}-{version}"
        write_layout(layout, files)
        more = [] if compressed else ["--preserve-digests"]
        # The older pipeline's names need not be those of the registry.
        where = f"{self.images.url}/{self.root}/made-elsewhere/{name}:v{version}"
        self.clients.skopeo("copy", "--dest-tls-verify=false", *more, f"oci:{layout}:latest",
                            f"docker://{where}")
        self.files[name, version] = files
        return self.entries.register(name, version, f"oci://{where}")

    def add_own(self, name, version, files, *more):
        source = self.folder / f"source-{name}"
        for path, data in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(data)
        self.dray("import", source, "--name", name, "--version", version, "--all-files", "--to",
                  f"{self.place}/{name}", "--base", "scratch", "--registry", self.url, *more)
        self.files[name, version] = files

    def add_many(self):
        for number in range(MODELS):
            for version in VERSIONS:
                seed = f"{number} {version}"
                self.add_foreign(f"car-{number}", version, model_files("f" + seed),
                                 compressed=number % 2 == 0)
                self.add_own(f"own-{number}", version, model_files("o" + seed))
