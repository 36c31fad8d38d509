"""What --compress makes of small models of each family is what llm-compressor makes of them, byte
for byte: digests made with the real library (tests/golden/make.py) say so."""

import copy
import json
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden"
sys.path.insert(0, str(GOLDEN))

import models  # noqa: E402  pylint: disable=wrong-import-position
import tensors  # noqa: E402  pylint: disable=wrong-import-position

DIGESTS = json.loads((GOLDEN / "digests.json").read_text())
SCHEMES = sorted(DIGESTS["quantization_config"])


def meaning(config):
    """What loaders make of it: what is null or empty may be left out, as newer versions do, and the
    version is for people."""
    if not isinstance(config, dict):
        return config
    return {key: meaning(value) for key, value in config.items()
            if value is not None and value != {} and key != "version"}


def expected_config(scheme, group=None):
    config = copy.deepcopy(DIGESTS["quantization_config"][scheme])
    if group:
        config["config_groups"]["group_0"]["weights"]["group_size"] = group
    return config


def check_index(folder, found):
    """The index, where there is one, names the shard of every tensor and of no other."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        where = json.loads(index.read_text())["weight_map"]
        assert where.keys() == found.keys()
        for shard in sorted(set(where.values())):
            names = {name for name, file in where.items() if file == shard}
            assert names == tensors.names(folder / shard)


def check(folder, family, scheme, ignored):
    """`ignored`: modules that the configuration must name as left as they are."""
    found = tensors.read(folder)
    golden = DIGESTS["models"][family][scheme]
    if "tensors" in golden:
        differences = tensors.differences(found, golden["tensors"])
        assert not differences, "\n".join(differences)
    assert tensors.digest(found) == golden["all"]
    check_index(folder, found)
    config, ignore = tensors.quantization(folder)
    assert meaning(config) == meaning(expected_config(scheme, models.group_of(family, scheme)))
    assert ignore == ignored


@pytest.fixture(name="source", scope="module", params=models.FAMILIES)
def _source(request, tmp_path_factory):
    """The family's name, and a folder with its model."""
    return request.param, models.write(request.param, tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_as_the_real_library(dray, source, scheme, tmp_path):
    family, folder = source
    group = models.group_of(family, scheme)
    dray("import", folder, "--name", "m", "--to", f"dir:{tmp_path}/store", "--registry", "none",
         "--compress", scheme, *(["--group-size", group] if group else []))
    made = tmp_path / "store" / "model-data" / "m" / "1.0.0"
    # Servers ask for the head even where a model has none of its own.
    check(made, family, scheme, {"lm_head", *models.modules(family, models.ROUTER)})
    config = json.loads((made / "config.json").read_text())
    del config["quantization_config"]
    assert config == models.FAMILIES[family].config


def test_asymmetric_is_the_asymmetric_scheme(dray, tmp_path):
    dray("import", models.write("llama", tmp_path / "source"), "--name", "m", "--to",
         f"dir:{tmp_path}/store", "--registry", "none", "--compress", "W4A16", "--asymmetric")
    check(tmp_path / "store" / "model-data" / "m" / "1.0.0", "llama", "W4A16_ASYM", {"lm_head"})


def test_ignored_modules_stay_as_they_are(dray, tmp_path):
    folder = models.write("llama", tmp_path / "source")
    dray("import", folder, "--name", "m", "--to", f"dir:{tmp_path}/store", "--registry", "none",
         "--compress", "FP8_DYNAMIC", "--ignore", "*.self_attn.*", "--ignore",
         "model.layers.1.mlp.down_proj")
    made = tmp_path / "store" / "model-data" / "m" / "1.0.0"
    attention = {f"model.layers.{layer}.self_attn.{part}_proj"
                 for layer in (0, 1) for part in "qkvo"}
    stay = {"lm_head", "model.layers.1.mlp.down_proj", *attention}
    assert tensors.quantization(made)[1] == stay
    whole = DIGESTS["models"]["llama"]["FP8_DYNAMIC"]["tensors"]
    wanted = {name: what for name, what in whole.items() if name.rpartition(".")[0] not in stay}
    before = tensors.read(folder)
    wanted.update({f"{module}.weight": before[f"{module}.weight"] for module in stay})
    differences = tensors.differences(tensors.read(made), wanted)
    assert not differences, "\n".join(differences)
