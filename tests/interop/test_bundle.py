"""Models carried over an air gap: what a bundle holds, on its way and after it."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from places import Place
from readers import check_files
from support import Dray, finish, folder_bytes, llama_files, read_folder, wait_until
from test_failpoints import BUNDLES, die

SPLITS = {"volumes": "5000001", "many": "1MiB", "one": "1GiB"}
FORMS = ["folder", "archive", *SPLITS]


@pytest.fixture(scope="module")
def models(the_hub):
    """Two versions that share a shard, and another model."""
    first = llama_files(seed=21, shard_mib=18)
    second = {**first, **{path: data for path, data in llama_files(seed=22, shard_mib=18).items()
                          if path.startswith("model-00001")}}
    second["generation_config.json"] = b'{"eos_token_id": 3}\n'
    yield {"1.0.0": the_hub.add("org/carried", first), "1.1.0": the_hub.add("org/carried2", second)}
    del the_hub.repos["org/carried"], the_hub.repos["org/carried2"]


@pytest.fixture
def source(dray, models, tmp_path):
    """A store of both versions and, of equal content, another model."""
    store = tmp_path / "source"
    folder = tmp_path / "published"
    for version, repo in models.items():
        shutil.rmtree(folder, ignore_errors=True)
        for path, file in repo.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(file.data)
        for name in ("llama", "twin"):
            dray("import", folder, "--to", f"dir:{store}", "--name", name, "--version", version,
                 "--registry", "none")
    return f"dir:{store}"


def create(dray, source, path, form, *references, code=0, more=()):
    where = path if form == "folder" else path.with_suffix(".tar")
    split = ("--split", SPLITS[form]) if form in SPLITS else ()
    done = dray("bundle", "create", *(references or ("llama:1.0.0",)), "--from", source, "-o", where,
                *split, *more, "--json", code=code)
    return where, done


def load(dray, bundle, store, *more, code=0):
    return dray("bundle", "load", bundle, "--to", store, "--registry", "none", *more, "--json",
                code=code)


def files_of(bundle):
    """The files that a bundle in this form consists of."""
    if bundle.is_dir():
        return sorted(path for path in bundle.rglob("*") if path.is_file())
    return sorted(path for path in bundle.parent.iterdir() if path.name.startswith(bundle.name))


def volumes_of(bundle):
    return [path for path in files_of(bundle) if path.suffix != ".json"]


def unpack(bundle, folder):
    """By unmodified GNU tar."""
    folder.mkdir()
    joined = subprocess.Popen(["cat", *volumes_of(bundle)], stdout=subprocess.PIPE)
    subprocess.run(["tar", "x", "-C", folder], stdin=joined.stdout, check=True)
    assert joined.wait() == 0
    return folder


def root_digest(dray, reference, store):
    return dray("show", reference, "--store", store, "--json").json["root_digest"]


def without_network(program, home):
    """The same program where there is no network at all, if this machine lets us take it away."""
    if subprocess.run(["unshare", "-rn", "true"], check=False).returncode != 0:
        return program
    script = home / "offline"
    script.write_text(f'#!/bin/sh\nexec unshare -rn {program} "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("form", FORMS)
def test_round_trip(dray, hub, models, servers, tmp_path, form):
    from_s3, to = (Place(servers(kind), tmp_path) for kind in ("versitygw", "seaweedfs"))
    outside = dray.with_settings(**from_s3.settings)
    outside("import", models["1.0.0"].name, "--to", from_s3.uri, "--name", "llama")
    bundle, done = create(outside, from_s3.uri, tmp_path / "b", form)
    assert done.json["changed"] is True
    assert not list(tmp_path.glob("*.partial"))
    again = create(outside, from_s3.uri, tmp_path / "b", form)[1].json
    assert again["changed"] is False and again["id"] == done.json["id"]

    hub.reset()
    inside = dray.with_settings(**to.settings)
    loaded = load(inside, bundle, to.uri)
    assert loaded.json["changed"] is True
    check_files(to.read("llama"), models["1.0.0"], models["1.0.0"].files)
    stored, carried = from_s3.record("llama"), to.record("llama")
    assert stored["root_digest"] == carried["root_digest"]
    assert stored["origin"] == carried["origin"]
    assert carried["lineage"]["copied_from"]["store"] == from_s3.uri
    assert load(inside, bundle, to.uri).json["changed"] is False
    assert not to.leftovers() and hub.large_sent == 0


@pytest.mark.parametrize("form", FORMS)
def test_tar_and_dray_see_the_same_tree_and_no_network_is_needed(dray, source, models, tmp_path,
                                                                form):
    bundle, done = create(dray, source, tmp_path / "b", form, "llama:1.0.0", "twin:1.0.0")
    tree = bundle if form == "folder" else unpack(bundle, tmp_path / "tree")
    for name in ("llama", "twin"):
        got = folder_bytes(tree / "model-data" / name / "1.0.0")
        check_files(got, models["1.0.0"], models["1.0.0"].files)
        dray("verify", f"{name}:1.0.0", "--store", f"dir:{tree}")
    assert not [path for path in tree.rglob("*") if "tmp" in path.parts[len(tree.parts):]
                or "transfers" in path.parts]
    offline = Dray(without_network(dray.program, tmp_path), tmp_path / "offline-home", {})
    assert offline("bundle", "verify", tree, "--json").json["id"] == done.json["id"]
    assert offline("bundle", "verify", bundle, "--json").json["intact"] is True
    store = f"dir:{tmp_path / 'inside'}"
    load(offline, bundle, store)
    for name in ("llama", "twin"):
        assert root_digest(offline, name, store) == root_digest(dray, f"{name}:1.0.0", source)


def test_into_a_registry_of_images(dray, source, registries, tmp_path):
    registry = registries("docker-registry")
    bundle, _ = create(dray, source, tmp_path / "b", "volumes")
    store = f"oci://{registry.url}/{registry.new_repository()}"
    load(dray, bundle, store, "--base", "scratch")
    assert root_digest(dray, "llama:1.0.0", store) == root_digest(dray, "llama:1.0.0", source)
    later, _ = create(dray, source, tmp_path / "later", "volumes", "llama:1.1.0",
                      more=("--since", f"{bundle}.json"))
    load(dray, later, store, "--base", "scratch")
    assert root_digest(dray, "llama:1.1.0", store) == root_digest(dray, "llama:1.1.0", source)


def test_out_of_a_registry_of_images(dray, source, registries, tmp_path):
    registry = registries("docker-registry")
    store = f"oci://{registry.url}/{registry.new_repository()}"
    dray("import", "llama:1.0.0", "--from", source, "--to", store, "--base", "scratch",
         "--registry", "none")
    bundle, done = create(dray, store, tmp_path / "b", "archive")
    inside = f"dir:{tmp_path / 'inside'}"
    load(dray, bundle, inside)
    assert root_digest(dray, "llama", inside) == root_digest(dray, "llama:1.0.0", source)


def test_nothing_of_a_secret_is_in_it(dray, hub, models, strict_s3, tmp_path):
    place = Place(strict_s3, tmp_path)
    dray = dray.with_settings(**place.settings)
    dray("import", models["1.0.0"].name, "--to", place.uri, "--name", "llama")
    bundle, _ = create(dray, place.uri, tmp_path / "b", "volumes")
    secrets = [value.encode() for name, value in place.settings.items()
               if "SECRET" in name or "KEY" in name]
    assert secrets
    for path in files_of(bundle):
        assert not any(secret in path.read_bytes() for secret in secrets)


# ---- what goes wrong on the way


def damage_flip(volumes):
    with open(volumes[2], "r+b") as file:
        file.seek(3_000_000)
        byte = file.read(1)
        file.seek(3_000_000)
        file.write(bytes([byte[0] ^ 1]))
    return [volumes[2].name]


def damage_cut(volumes):
    os.truncate(volumes[1], volumes[1].stat().st_size - 1)
    return [volumes[1].name]


def damage_missing(volumes):
    volumes[0].unlink()
    volumes[3].unlink()
    return [volumes[0].name, volumes[3].name]


def damage_swapped(volumes):
    keep = volumes[1].read_bytes()
    volumes[1].write_bytes(volumes[2].read_bytes())
    volumes[2].write_bytes(keep)
    return [volumes[1].name, volumes[2].name]


@pytest.mark.parametrize("damage", [damage_flip, damage_cut, damage_missing, damage_swapped])
def test_damage_is_named_and_nothing_wrong_is_loaded(dray, source, tmp_path, damage):
    bundle, _ = create(dray, source, tmp_path / "b", "volumes")
    whole = {path: path.read_bytes() for path in files_of(bundle)}
    names = damage(volumes_of(bundle))
    store = f"dir:{tmp_path / 'inside'}"
    refused = load(dray, bundle, store, code=7)
    checked = dray("bundle", "verify", bundle, code=7)
    for name in names:
        assert name in refused.err and name in checked.out + checked.err
    others = {path.name for path in whole} - set(names)
    assert not any(name in refused.err.split(": SHA-256 of")[0] for name in others
                   if name.startswith("b.tar.0"))
    assert not (tmp_path / "inside" / ".dray" / "releases").exists()
    for path, data in whole.items():
        path.write_bytes(data)
    assert load(dray, bundle, store).json["changed"] is True


def test_an_unfinished_or_incomplete_copy_is_no_bundle(dray, source, tmp_path):
    folder, _ = create(dray, source, tmp_path / "f", "folder")
    volumes, _ = create(dray, source, tmp_path / "v", "volumes")
    store = f"dir:{tmp_path / 'inside'}"
    weights = next(folder.rglob("*.safetensors"))
    weights.unlink()
    assert weights.name in load(dray, folder, store, code=7).err
    (folder / ".dray/bundle.json").unlink()
    assert "written last" in load(dray, folder, store, code=4).err
    (tmp_path / "v.tar.json").unlink()
    assert "written last" in load(dray, volumes, store, code=4).err
    assert "no such bundle" in load(dray, tmp_path / "nothing", store, code=4).err


def test_links_that_lead_elsewhere_are_refused(dray, source, tmp_path):
    folder, _ = create(dray, source, tmp_path / "f", "folder")
    outside = tmp_path / "outside"
    shutil.move(folder / "model-data/llama/1.0.0", outside)
    (folder / "model-data/llama/1.0.0").symlink_to(outside)
    refused = load(dray, folder, f"dir:{tmp_path / 'inside'}", code=1)
    assert "symbolic link" in refused.err


# ---- only what changed


@pytest.mark.parametrize("form", ["folder", "archive", "volumes"])
def test_a_chain_of_bundles_carries_what_changed(dray, source, models, tmp_path, form):
    base, _ = create(dray, source, tmp_path / "base", form)
    since = base / ".dray/bundle.json" if form == "folder" else f"{base}.json"
    kept = tmp_path / "kept.tar.json"  # the small record alone
    shutil.copy(since, kept)
    step, done = create(dray, source, tmp_path / "step", form, "llama:1.1.0",
                        more=("--since", kept))
    shared = sum(len(file.data) for path, file in models["1.1.0"].files.items()
                 if models["1.0.0"].files[path].data == file.data)
    assert done.json["bytes_left_out"] == shared
    if form == "folder":
        assert dray("list", "--store", f"dir:{step}", "--json").out.strip() == "" or \
            "llama" not in dray("list", "--store", f"dir:{step}").out
    last, done = create(dray, source, tmp_path / "last", form, "twin:1.1.0", "twin:1.0.0",
                        more=("--since", kept, "--since", step))
    assert done.json["bytes"] == 0, "all of it is in the earlier ones"
    shutil.rmtree(base, ignore_errors=True)

    empty = tmp_path / "empty"
    refused = load(dray, last, f"dir:{empty}", code=4)
    assert "kept.tar" in refused.err and "step" in refused.err
    assert refused.err.index("kept.tar") < refused.err.index("step")
    assert not empty.exists() or not read_folder(empty), "nothing was changed"
    if form == "folder":
        create(dray, source, tmp_path / "base", form)
    store = f"dir:{tmp_path / 'inside'}"
    load(dray, base, store)
    assert "step" in load(dray, last, store, code=4).err
    load(dray, step, store)
    moved = load(dray, last, store).json
    assert moved["changed"] is True
    for name in ("llama", "twin"):
        for version, repo in models.items():
            got = folder_bytes(tmp_path / "inside/model-data" / name / version)
            check_files(got, repo, repo.files)
    dray("verify", "--all", "--store", store)
    assert load(dray, step, store).json["changed"] is False


# ---- stopped and killed


@pytest.mark.parametrize("form", ["folder", "archive", "many"])
def test_interrupted_the_same_command_goes_on(dray, source, tmp_path, form):
    where = tmp_path / ("b" if form == "folder" else "b.tar")
    split = ("--split", SPLITS[form]) if form in SPLITS else ()
    command = ("bundle", "create", "llama:1.0.0", "twin:1.1.0", "--from", source, "-o", where, *split)
    process = dray.start(*command, "--limit-rate", "16MiB", "--progress", "json")
    time.sleep(1.6)
    assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    stopped = finish(process, limit=30)
    assert stopped.code == 130 and time.monotonic() - asked < 2
    assert "bundle create" in stopped.err, "says how to go on"
    assert not index_of(where).exists()
    done = dray(*command, "--json").json
    assert done["changed"] is True and done["bytes_fetched"] < done["bytes"]
    dray("bundle", "verify", where)


def index_of(bundle):
    return bundle.with_name(bundle.name + ".json") if bundle.suffix == ".tar" \
        else bundle / ".dray/bundle.json"


# Of an archive nothing is in the folder's steps, and the other way round.
OF_FOLDERS = {"bundle.before-manifest", "bundle.after-manifest", "bundle.before-record",
              "bundle.after-record"}
OF_ARCHIVES = {"bundle.volume-full", "bundle.volume-named", "bundle.before-index",
               "bundle.after-index"}


@pytest.mark.parametrize("form, name", [
    *(("folder", name) for name in sorted(OF_FOLDERS | {
        "claimed", "block-fetched", "part-put", "before-commit", "transfer-finished"})),
    *(("volumes", name) for name in sorted(OF_ARCHIVES | {
        "claimed", "block-fetched", "part-put", "before-commit", "transfer-finished"}))])
def test_create_killed_there_completes(dray, source, tmp_path, form, name):
    where = tmp_path / ("b" if form == "folder" else "b.tar")
    split = ("--split", SPLITS[form]) if form in SPLITS else ()
    command = ("bundle", "create", "llama:1.0.0", "--from", source, "-o", where, *split)
    die(dray, name, *command)
    finished = index_of(where).exists()
    assert finished == (name in {"bundle.after-index", "bundle.after-record"} or
                        (form == "volumes" and name == "transfer-finished"))
    store = f"dir:{tmp_path / 'inside'}"
    if not finished:
        load(dray, where, store, code=4)
    assert dray(*command, "--json").json["changed"] is not finished
    assert not list(tmp_path.glob("*.partial"))
    assert not list((where / ".dray").glob("t*"))
    dray("bundle", "verify", where)
    load(dray, where, store)


def test_volumes_of_another_size_are_made_of_what_a_killed_run_finished(dray, source, tmp_path):
    command = ("bundle", "create", "llama:1.0.0", "--from", source, "-o", tmp_path / "b.tar")
    die(dray, "after-commit", *command, "--split", "5000001")
    assert not list(tmp_path.glob("b.tar.0*"))
    done = dray(*command, "--split", "6MiB", "--json").json
    assert done["changed"] is True and len(list(tmp_path.glob("b.tar.0*"))) == done["volumes"] == 7
    dray("bundle", "verify", tmp_path / "b.tar")
    assert not list(tmp_path.glob("*.partial"))


def test_every_failpoint_of_bundles_is_tried():
    assert set(BUNDLES) == OF_FOLDERS | OF_ARCHIVES | {"bundle.release-loaded"}


@pytest.mark.parametrize("name", ["bundle.release-loaded", "block-fetched", "part-put",
                                  "before-commit", "before-publish", "after-publish",
                                  "transfer-finished"])
def test_load_killed_there_completes(dray, source, models, tmp_path, name):
    bundle, _ = create(dray, source, tmp_path / "b", "volumes", "llama:1.0.0", "twin:1.1.0")
    place = Place(None, tmp_path)
    die(dray, name, "bundle", "load", bundle, "--to", place.uri, "--registry", "none")
    for model, version in (("llama", "1.0.0"), ("twin", "1.1.0")):
        for path, data in place.read(model, version).items():
            assert data == models[version].files[path].data, f"{path} is visible with wrong bytes"
        if place.record(model, version):
            check_files(place.read(model, version), models[version], models[version].files)
    load(dray, bundle, place.uri)
    for model, version in (("llama", "1.0.0"), ("twin", "1.1.0")):
        assert place.record(model, version)
        check_files(place.read(model, version), models[version], models[version].files)


@pytest.mark.parametrize("form", ["folder", "many"])
def test_killed_at_any_moment(dray, source, tmp_path, rand, form):
    kills, number, where = 0, 0, tmp_path / "b0.tar"
    while kills < 12:
        where = tmp_path / (f"b{number}" if form == "folder" else f"b{number}.tar")
        split = ("--split", SPLITS[form]) if form in SPLITS else ()
        command = ("bundle", "create", "llama:1.0.0", "twin:1.1.0", "--from", source, "-o", where,
                   *split, "--limit-rate", "100MiB")
        process = dray.start(*command)
        try:
            process.wait(timeout=rand.uniform(0.02, 0.8))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        if index_of(where).exists():
            dray("bundle", "verify", where)
            number += 1
        else:
            dray("bundle", "verify", where, code=4)
    wait_until(lambda: dray(*command, code=None).code == 0, what="the claim of the dead", step=0.5)
    dray("bundle", "verify", where)


# ---- refused before anything is read


def test_another_bundle_is_not_written_over(dray, source, tmp_path):
    for form in ("folder", "archive", "volumes"):
        create(dray, source, tmp_path / form, form)
        before = {path: path.read_bytes() for path in files_of(
            tmp_path / form if form == "folder" else tmp_path / f"{form}.tar")}
        refused = create(dray, source, tmp_path / form, form, "llama:1.1.0", code=10)[1]
        assert "another bundle" in refused.err
        assert all(path.read_bytes() == data for path, data in before.items())
    taken = tmp_path / "taken.tar"
    taken.write_bytes(b"mine")
    create(dray, source, tmp_path / "taken", "archive", code=10)
    assert taken.read_bytes() == b"mine"


def test_a_dry_run_tells_and_does_nothing(dray, source, tmp_path):
    planned = create(dray, source, tmp_path / "b", "volumes", more=("--dry-run",))[1].json
    assert planned["dry_run"] is True and planned["volumes"] > 3
    assert not list(tmp_path.glob("b.*"))
    bundle, done = create(dray, source, tmp_path / "b", "volumes")
    assert done.json["volumes"] == planned["volumes"] and done.json["id"] == planned["id"]
    inside = tmp_path / "inside"
    assert load(dray, bundle, f"dir:{inside}", "--dry-run").json["dry_run"] is True
    assert not inside.exists()
