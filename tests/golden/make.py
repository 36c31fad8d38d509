"""Makes digests.json: what llm-compressor's data-free path makes of the models in models.py.

By hand, in an environment with requirements.txt: python tests/golden/make.py
"""

import copy
import importlib.metadata
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import torch
from compressed_tensors.quantization import preset_name_to_scheme
from llmcompressor import model_free_ptq
from llmcompressor.entrypoints import model_free
from llmcompressor.entrypoints.model_free import microscale
from llmcompressor.observers.helpers import FUSED_LAYER_NAMES
from loguru import logger
from safetensors.torch import save_file

import models
import tensors

SCHEMES = ["FP8_DYNAMIC", "W4A16", "W4A16_ASYM", "W8A16", "W8A8", "FP8_BLOCK", "NVFP4A16",
           "MXFP4A16", "MXFP8A16"]
WHOLE = ["llama"]  # the families of which each tensor's digest is kept
# Where the library as it is makes nothing, or what servers cannot use, and what is done instead.
INSTEAD = {
    "FP8_BLOCK, columns that are no multiple of 128":
        "model_free_ptq fails: it cuts the padding off and saves a tensor that is not contiguous; "
        "here it is made contiguous first",
    "NVFP4A16, gate_proj and up_proj of experts; q_a_proj and kv_a_proj_with_mqa":
        "model_free_ptq does not see that servers fuse them and gives each a global scale of its "
        "own; here its sets are those of oneshot (FUSED_LAYER_NAMES)",
}
PACKAGES = ["llmcompressor", "compressed-tensors", "torch", "transformers", "safetensors"]


def fuse_by_layer_names():
    """model_free_ptq finds fused projections of NVFP4 only in some modules; let it look for all
    that the library's other path, oneshot, fuses: those of experts and of latent attention too."""
    microscale._DEFAULT_FUSED_MAPPINGS_LIST[:] = [
        [rf"re:.*\.{name}\.weight$" for name in names] for names in FUSED_LAYER_NAMES]
    microscale.DEFAULT_FUSED_MAPPINGS.clear()
    microscale.DEFAULT_FUSED_MAPPINGS.update({
        rf"^(?P<prefix>.+)\.{re.escape(first)}\.weight$":
            [f"{{prefix}}.{name}.weight" for name in others]
        for first, *others in FUSED_LAYER_NAMES})


def save_contiguous():
    """The blocks' padding is cut off of a view, which the writer refuses."""
    model_free.save_file = lambda made, path: save_file(
        {name: tensor.contiguous() for name, tensor in made.items()}, path)


def compress(source, target, scheme, ignore, group=None):
    """As a user of the library would."""
    if group:
        scheme = copy.deepcopy(preset_name_to_scheme(scheme, ["Linear"]))
        scheme.weights.group_size = group
    model_free_ptq(str(source), str(target), scheme=scheme, ignore=ignore, device="cpu")


def prepare():
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    fuse_by_layer_names()
    save_contiguous()


def make(families=tuple(models.FAMILIES)):
    """The content of digests.json."""
    prepare()
    made = {"made_with": {name: importlib.metadata.version(name) for name in PACKAGES},
            "instead": INSTEAD, "quantization_config": {}, "models": {}}
    for family in families:
        ignore = models.modules(family, models.ROUTER, models.EMBEDDING)
        made["models"][family] = {}
        for scheme in SCHEMES:
            with tempfile.TemporaryDirectory() as scratch:
                target = Path(scratch) / "made"
                compress(models.write(family, Path(scratch) / "source"), target, scheme, ignore,
                         models.group_of(family, scheme))
                found = tensors.read(target)
                config, ignored = tensors.quantization(target)
            assert ignored == set(ignore)
            made["models"][family][scheme] = {"all": tensors.digest(found)}
            if family in WHOLE:
                made["models"][family][scheme]["tensors"] = found
                made["quantization_config"][scheme] = config
    return made


def text_of(made):
    """JSON with a tensor a line."""
    text = json.dumps(made, indent=1, sort_keys=True)
    return re.sub(r"\[\s+([^][]*?)\s+\]",
                  lambda found: "[" + re.sub(r",\s+", ", ", found.group(1)) + "]", text) + "\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__),
                                                              "digests.json")
    Path(path).write_text(text_of(make()))
