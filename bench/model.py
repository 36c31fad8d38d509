"""A repository like those on the Hub, made of noise: shards that are valid safetensors, their index,
a configuration, a tokenizer. And its manifest, from which bench_servers answers as the Hub does."""

import hashlib
import json
import pathlib
import random
import struct

REPO = "bench/noise-1b"
COMMIT = hashlib.sha1(b"the only commit").hexdigest()
WIDTH = 4096  # columns of a tensor; BF16, so a row has 8 KiB
ROWS = 2048  # of a tensor: 16 MiB each
# The high bytes of weights: numbers of both signs, from 2^-11 to 2^-4, none of them infinite.
HIGH = bytes(byte & 0x80 | 0x3A + (byte & 3) for byte in range(256))


def write_shard(path: pathlib.Path, names: list[str], noise: bytearray, first: int) -> None:
    """Every tensor is the same noise, turned by another number of weights."""
    header, at, size = {"__metadata__": {"format": "pt"}}, 0, len(noise)
    for name in names:
        header[name] = {"dtype": "BF16", "shape": [ROWS, WIDTH], "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for turn in range(first, first + len(names)):
            out.write(noise[2 * turn:])
            out.write(noise[:2 * turn])


def write_small(root: pathlib.Path, noise: random.Random, index: dict) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH,
        "torch_dtype": "bfloat16", "vocab_size": 32000,
    }
    vocabulary = {f"{noise.getrandbits(40):x}": number for number in range(32000)}
    small = {
        "config.json": config,
        "generation_config.json": {"max_length": 4096},
        "model.safetensors.index.json": index,
        "special_tokens_map.json": {"eos_token": "</s>"},
        "tokenizer.json": {"version": "1.0", "model": {"type": "BPE", "vocab": vocabulary}},
        "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer"},
    }
    for name, value in small.items():
        (root / name).write_text(json.dumps(value, indent=1))
    (root / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Noise\n")


def describe(path: pathlib.Path) -> dict:
    """An entry of the Hub's tree; reading it all also brings the file into the page cache."""
    size = path.stat().st_size
    lfs = path.suffix == ".safetensors"
    digest = hashlib.sha256() if lfs else hashlib.sha1(f"blob {size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    entry = {"type": "file", "path": path.name, "size": size, "oid": digest.hexdigest()[:40]}
    if lfs:
        entry["lfs"] = {"oid": digest.hexdigest(), "size": size, "pointerSize": 135}
    return entry


def make(root: pathlib.Path, shards: int, size: int) -> dict:
    """The manifest of `shards` shards with `size` bytes in all; made anew only if not there."""
    kept = root.parent / f"{root.name}.json"
    tensors = max(1, size // shards // (2 * ROWS * WIDTH))
    if not kept.exists():
        root.mkdir(parents=True, exist_ok=True)
        noise, weights = random.Random(1), {}
        block = bytearray(noise.randbytes(2 * ROWS * WIDTH))
        block[1::2] = block[1::2].translate(HIGH)
        for shard in range(1, shards + 1):
            name = f"model-{shard:05}-of-{shards:05}.safetensors"
            names = [f"model.layers.{shard}.{i}.weight" for i in range(tensors)]
            write_shard(root / name, names, block, shard * tensors)
            weights |= dict.fromkeys(names, name)
        write_small(root, noise, {"metadata": {}, "weight_map": weights})
    tree = [describe(path) for path in sorted(root.iterdir())]
    siblings = [
        {"rfilename": e["path"], "size": e["size"], "blobId": e["oid"]}
        | ({"lfs": {"sha256": e["lfs"]["oid"], "size": e["size"], "pointerSize": 135}}
           if "lfs" in e else {})
        for e in tree
    ]
    info = {
        "_id": "0" * 24, "id": REPO, "modelId": REPO, "sha": COMMIT, "private": False,
        "gated": False, "disabled": False, "tags": ["license:apache-2.0"], "downloads": 0,
        "likes": 0, "createdAt": "2025-01-01T00:00:00.000Z",
        "lastModified": "2025-01-01T00:00:00.000Z", "siblings": siblings,
    }
    files = [
        {"path": e["path"], "size": e["size"], "etag": e["lfs"]["oid"] if "lfs" in e else e["oid"]}
        for e in tree
    ]
    manifest = {
        "repo": REPO, "commit": COMMIT, "root": str(root), "info": info, "tree": tree,
        "files": files,
    }
    kept.write_text(json.dumps(manifest))
    return manifest
