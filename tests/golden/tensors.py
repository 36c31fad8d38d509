"""Reads what a folder of safetensors files holds, as digests."""

import hashlib
import json
import struct


def header(file):
    """tensor → what the file says of it, and where data begins."""
    length, = struct.unpack("<Q", file.read(8))
    about = json.loads(file.read(length))
    about.pop("__metadata__", None)
    return about, 8 + length


def names(path):
    with open(path, "rb") as file:
        return set(header(file)[0])


def read(folder):
    """tensor → [dtype, shape, SHA-256 of its bytes], of all shards."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            about, data = header(file)
            for name, tensor in about.items():
                assert name not in found, f"{name} is in two shards"
                begin, end = tensor["data_offsets"]
                file.seek(data + begin)
                sha256 = hashlib.sha256(file.read(end - begin)).hexdigest()
                found[name] = [tensor["dtype"], tensor["shape"], sha256]
    return found


def digest(tensors):
    """One for all of them."""
    lines = (" ".join([name, dtype, "x".join(map(str, shape)), sha256])
             for name, (dtype, shape, sha256) in sorted(tensors.items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def differences(got, wanted):
    """What a person wants to read first."""
    lines = [f"{name} is missing" for name in sorted(wanted.keys() - got.keys())]
    lines += [f"{name} should not be there" for name in sorted(got.keys() - wanted.keys())]
    for name in sorted(got.keys() & wanted.keys()):
        if got[name] != wanted[name]:
            what = "bytes" if got[name][:2] == wanted[name][:2] else "dtype or shape"
            lines.append(f"{name}: other {what}: {got[name]} for {wanted[name]}")
    return lines


def quantization(folder):
    """The `quantization_config` that was written, and apart from it the modules left as they are.
    Names of groups are free, so they are numbered."""
    config = json.loads((folder / "config.json").read_text())["quantization_config"]
    groups = config["config_groups"].values()
    config["config_groups"] = {f"group_{number}": group for number, group in enumerate(groups)}
    return config, set(config.pop("ignore"))
