"""`dray serve` beside Kubeflow's own Model Registry on PostgreSQL, both with durable writes.

    .peers/venv/bin/python bench/registry.py [--models 10000] [--versions 5] [--seconds 5] [--clients 1,8,64]
        [--dray build/release/dray] [--peers .peers] [--only dray]

Needs wrk, and the real server as `./test --full interop` sets it up. Both are filled through their
API with the same models, then each question is put to the two in turn. Prints one table in Markdown.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "interop"))

OPERATIONS = {"get": "get", "by name": "find by name", "list": "list, page of 100",
              "filter": "filterQuery", "versions": "versions of a model", "create": "create"}
BASE = "/api/model_registry/v1alpha3/"


def fill(url, models, versions):
    """Makes the models, then their versions; returns the first id and the step between ids."""
    address = urllib.parse.urlsplit(url)

    def post_all(bodies):
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
        ids = []
        for path, body in bodies:
            connection.request("POST", BASE + path, json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            made = json.loads(answer.read())
            assert answer.status == 201, made
            ids.append(int(made["id"]))
        return ids

    def properties(number):
        return {"team": {"metadataType": "MetadataStringValue", "string_value": f"team-{number % 100}"},
                "size": {"metadataType": "MetadataDoubleValue", "double_value": number * 1.5}}

    # One after another, so that ids have one step.
    ids = post_all([("registered_models", {
        "name": f"model-{number:05}", "description": "A model of the benchmark", "owner": "bench",
        "customProperties": properties(number)}) for number in range(models)])
    step = ids[1] - ids[0]
    assert ids == list(range(ids[0], ids[0] + step * models, step)), "ids are not in steps"

    def add_versions(some):
        post_all([("model_versions", {
            "name": f"{version}.0.0", "registeredModelId": str(model), "author": "bench",
            "customProperties": properties(version)}) for model in some
            for version in range(1, versions + 1)])

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(add_versions, [ids[start::16] for start in range(16)]))
    return ids[0], step


def measure(url, operation, clients, models, ids, seconds, mark):
    done = subprocess.run(
        ["wrk", "-t", "1", "-c", str(clients), "-d", f"{seconds}s", "--timeout", "30s", "-s",
         str(ROOT / "bench" / "registry.lua"), url, "--", operation, str(models), str(ids[0]),
         str(ids[1]), mark], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert figures["bad"] == 0, (operation, done.stdout)
    figures["rate"] = figures["requests"] / figures["seconds"]
    return figures


def table(names, results):
    print("| | clients | " + " | ".join(f"{name} /s | p99 ms" for name in names) + " | times |")
    print("|---|--:|" + "--:|--:|" * len(names) + "--:|")
    for (operation, clients), found in results.items():
        cells = [f"{found[name]['rate']:,.0f} | {found[name]['p99_ms']:.1f}" for name in names]
        times = found[names[0]]["rate"] / found[names[-1]]["rate"] if len(names) > 1 else 1
        print(f"| {OPERATIONS[operation]} | {clients} | {' | '.join(cells)} | {times:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--versions", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--dray", default=str(ROOT / "build" / "release" / "dray"))
    parser.add_argument("--peers", default=os.environ.get("DRAY_PEERS_DIR") or str(ROOT / ".peers"))
    parser.add_argument("--only", choices=["dray"], help="leave the real server out")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing (apt-get install wrk)")
    from kubeflow_server import Kubeflow
    from registry_server import DrayServe
    with tempfile.TemporaryDirectory(prefix="dray-bench-", dir=".") as folder:
        with DrayServe(options.dray, pathlib.Path(folder).resolve()) as ours:
            servers, real = {"dray": ours.url}, None
            try:
                if not options.only:
                    binaries = os.path.join(options.peers, "bin")
                    real = Kubeflow(binaries, os.path.join(binaries, "postgres"), durable=True)
                    servers["Kubeflow"] = real.start().url
                ids = {}
                for name, url in servers.items():
                    ids[name] = fill(url, options.models, options.versions)
                    print(f"{name} is filled", file=sys.stderr)
                results = {}
                for operation in OPERATIONS:
                    for clients in map(int, options.clients.split(",")):
                        results[operation, clients] = {
                            name: measure(url, operation, clients, options.models, ids[name],
                                          options.seconds, f"{clients}-{os.getpid()}")
                            for name, url in servers.items()}
                        print(operation, clients, results[operation, clients], file=sys.stderr)
                table(list(servers), results)
            finally:
                if real:
                    real.stop()


if __name__ == "__main__":
    main()
