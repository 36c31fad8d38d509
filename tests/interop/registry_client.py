"""What users do with the official model-registry client, checked in every field.

Run with a version of the client on the path: registry_client.py URL [CA_FILE TOKEN]. It prints the
version and "done"; whatever is not as it should be ends it with an assertion.
"""

import asyncio
import sys
import warnings

import model_registry
from model_registry import ModelRegistry
from model_registry.exceptions import StoreError
from model_registry.types import (DocArtifact, ListOptions, ModelArtifact, ModelVersion,
                                  RegisteredModel)
from mr_openapi import exceptions as refusals

PROPERTIES = {"text": "größe ✓ \"quoted\" 'single' \\ back", "number": 12345678, "real": 0.125,
              "yes": True, "no": False, "label": "", "negative": -7}


def open_client(url, more):
    if more:
        return ModelRegistry(url, author="tester", custom_ca=more[0], user_token=more[1])
    return ModelRegistry(url, author="tester", is_secure=False)


def fields(resource, **expected):
    """Each of these fields, and that ids and times are there."""
    for name, value in expected.items():
        assert getattr(resource, name) == value, (name, getattr(resource, name), value)
    assert resource.id and resource.id.isdigit() and not resource.id.startswith("0")
    for time in (resource.create_time_since_epoch, resource.last_update_time_since_epoch):
        assert time and time.isdigit() and len(time) == 13, time


def raises(kind, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except kind as error:
        return error
    raise AssertionError(f"{call} did not raise {kind}")


def register(registry, name, version, **more):
    return registry.register_model(name, f"s3://bucket/{name}/{version}/", version=version,
                                   model_format_name="safetensors", model_format_version="1",
                                   **more)


def registering(registry):
    """register_model and the reads by name."""
    assert registry.get_registered_model("llama") is None
    raises(StoreError, registry.get_model_version, "llama", "1")
    model = register(
        registry, "llama", "1.0.0", author="ann", owner="bob", version_description="the first",
        metadata=PROPERTIES, storage_key="aws", storage_path="llama/1.0.0",
        service_account_name="sa", model_source_kind="huggingface", model_source_class="class",
        model_source_group="group", model_source_id="c0ffee", model_source_name="org/llama")
    fields(model, name="llama", owner="bob", state="LIVE", description=None, external_id=None)
    read = registry.get_registered_model("llama")
    assert read == model, (read, model)
    version = registry.get_model_version("llama", "1.0.0")
    fields(version, name="1.0.0", author="ann", description="the first", state="LIVE",
           custom_properties=PROPERTIES)
    artifact = registry.get_model_artifact("llama", "1.0.0")
    fields(artifact, name="llama", uri="s3://bucket/llama/1.0.0/", state="UNKNOWN",
           model_format_name="safetensors", model_format_version="1", storage_key="aws",
           storage_path="llama/1.0.0", service_account_name="sa", model_source_kind="huggingface",
           model_source_class="class", model_source_group="group", model_source_id="c0ffee",
           model_source_name="org/llama")
    assert registry.get_model_version("llama", "2.0.0") is None
    raises(StoreError, registry.get_model_artifact, "llama", "2.0.0")
    again = raises(StoreError, register, registry, "llama", "1.0.0")
    assert "already exists" in str(again), again
    for count in range(2, 9):
        register(registry, "llama", f"{count}.0.0")
    return model, version, artifact


def updating(registry, model, version, artifact):
    model.description, model.owner, model.state = "all of them", "carol", "ARCHIVED"
    model.custom_properties = {"team": "a"}
    after = registry.update(model)
    fields(after, id=model.id, name="llama", description="all of them", owner="carol",
           state="ARCHIVED", custom_properties={"team": "a"},
           create_time_since_epoch=model.create_time_since_epoch)
    assert after.last_update_time_since_epoch >= model.last_update_time_since_epoch
    after.state = "LIVE"
    assert registry.update(after).state == "LIVE"
    version.custom_properties = {"only": "this"}
    version.description = "changed"
    fields(registry.update(version), name="1.0.0", description="changed", author="ann",
           custom_properties={"only": "this"})
    assert registry.get_model_version("llama", "1.0.0").custom_properties == {"only": "this"}
    artifact.uri, artifact.state = "s3://bucket/moved/", "LIVE"
    artifact.custom_properties = dict(PROPERTIES)
    fields(registry.update(artifact), name="llama", uri="s3://bucket/moved/", state="LIVE",
           custom_properties=PROPERTIES, storage_key="aws")
    raises(StoreError, registry.update, RegisteredModel(name="unsaved"))


def paging(registry):
    for count in range(12):
        register(registry, f"many-{count:02}", "1")
    names = [f"many-{count:02}" for count in range(12)]

    def listed(pager):
        return [item.name for item in pager]

    everything = ["llama", *names]
    assert listed(registry.get_registered_models()) == everything
    assert listed(registry.get_registered_models().page_size(5)) == everything
    assert listed(registry.get_registered_models().page_size(13)) == everything
    assert listed(registry.get_registered_models().page_size(1)) == everything
    newest = registry.get_registered_models().order_by_creation_time().descending().page_size(4)
    assert listed(newest) == everything[::-1]
    assert listed(newest.restart()) == everything[::-1]
    by_update = registry.get_registered_models().order_by_update_time().page_size(5)
    assert listed(by_update)[0] == "llama"
    versions = registry.get_model_versions("llama").page_size(3).order_by_id().descending()
    assert listed(versions) == [f"{count}.0.0" for count in range(8, 0, -1)]
    raises(StoreError, registry.get_model_versions, "none")


def by_id(api, run, model, version, artifact):
    """The calls below the convenience methods."""
    assert run(api.get_registered_model_by_id(model.id)).name == "llama"
    assert run(api.get_registered_model_by_id("999999")) is None
    assert run(api.get_model_version_by_id(version.id)).name == "1.0.0"
    assert run(api.get_model_version_by_id("999999")) is None
    assert run(api.get_model_artifact_by_id(artifact.id)).name == "llama"
    assert run(api.get_model_artifact_by_id("999999")) is None
    known = run(api.upsert_registered_model(RegisteredModel(name="known", external_id="ext-1")))
    assert run(api.get_registered_model_by_params(external_id="ext-1")) == known
    part = run(api.upsert_model_version(
        ModelVersion(name="v", author="ann", external_id="ext-2"), known.id))
    assert run(api.get_model_version_by_params(external_id="ext-2")) == part
    assert run(api.get_model_versions(known.id)) == [part]
    loose = run(api.upsert_model_artifact(
        ModelArtifact(name="loose", uri="s3://x/y", external_id="ext-3")))
    assert run(api.get_model_artifact_by_params(external_id="ext-3")) == loose
    fields(loose, name="loose", uri="s3://x/y", state="UNKNOWN")
    document = run(api.upsert_model_version_artifact(
        DocArtifact(name="readme", uri="s3://x/readme.md", description="words"), part.id))
    fields(document, name="readme", uri="s3://x/readme.md", description="words")
    both = run(api.upsert_model_version_artifact(
        ModelArtifact(name="weights", uri="s3://x/w"), part.id))
    assert run(api.get_model_artifacts(part.id)) == [both]
    kinds = [type(item).__name__ for item in run(api.get_model_version_artifacts(part.id))]
    assert kinds == ["DocArtifact", "ModelArtifact"], kinds
    everything = run(api.get_model_artifacts(options=ListOptions(limit=3)))
    assert [item.name for item in everything] == ["llama"] * 3
    names = {item.name for item in run(api.get_artifacts(
        filter_query="name = 'weights' OR name LIKE 'read%'"))}
    assert names == {"weights", "readme"}, names
    documents = run(api.get_artifacts(artifact_type="doc-artifact"))
    assert [item.name for item in documents] == ["readme"]


def refused(api, run):
    """What the server must refuse, as the client tells it."""
    taken = raises(refusals.ConflictException, run,
                   api.upsert_registered_model(RegisteredModel(name="llama")))
    assert "already exists" in taken.body or "llama" in taken.body, taken.body
    raises(refusals.ConflictException, run, api.upsert_registered_model(
        RegisteredModel(name="other", external_id="ext-1")))
    raises(refusals.BadRequestException, run, api.get_artifacts(filter_query="name ="))
    raises(refusals.BadRequestException, run, api.get_artifacts(
        options=ListOptions(next_page_token="nonsense!")))
    raises(refusals.NotFoundException, run, api.upsert_model_version_artifact(
        ModelArtifact(name="x", uri="s3://x"), "999999"))


def experiments(registry):
    """Only clients up to 0.3.11 have them."""
    with registry.start_experiment_run(experiment_name="tuning") as run:
        run.log_param("rate", 0.01, description="of learning")
        run.log_param("layers", 3)
        run.log_param("method", "sgd")
        run.log_param("nested", {})  # the client writes others as Python, and reads them as JSON
        run.log_metric("loss", 0.5, step=1, timestamp="1700000000000")
        run.log_metric("accuracy", 0.75, step=2, timestamp="1700000000001")
        run.log_dataset("train", uri="s3://x/train", source_type="s3", source="s3://x",
                        schema='{"columns": ["a"]}', profile='{"rows": 3}')
    info = run.info
    found = registry.get_experiment_run(info.id)
    fields(found, id=info.id, name=info.name, experiment_id=info.experiment_id)
    assert [item.name for item in registry.get_experiments()] == ["tuning"]
    runs = list(registry.get_experiment_runs(experiment_name="tuning"))
    assert [item.id for item in runs] == [info.id]
    assert [item.id for item in registry.get_experiment_runs(experiment_id=info.experiment_id)] == [
        info.id]
    logs = {item.name: item for item in registry.get_experiment_run_logs(run_id=info.id)}
    assert set(logs) == {"rate", "layers", "method", "nested", "loss", "accuracy", "train"}
    assert (logs["loss"].value, logs["loss"].step) == (0.5, 1)
    assert logs["loss"].timestamp == "1700000000000"
    assert logs["rate"].parameter_type == "number" and logs["rate"].value == 0.01
    assert logs["method"].value == "sgd" and logs["nested"].value == {}
    assert logs["train"].uri == "s3://x/train" and logs["train"].source_type == "s3"
    for item in logs.values():
        assert (item.experiment_id, item.experiment_run_id) == (info.experiment_id, info.id)
    with registry.start_experiment_run(experiment_id=info.experiment_id, run_id=info.id) as again:
        again.log_metric("loss", 0.25, step=2, timestamp="1700000000002")
    loss = {item.name: item for item in registry.get_experiment_run_logs(run_id=info.id)}["loss"]
    assert (loss.id, loss.value, loss.step) == (logs["loss"].id, 0.25, 2)
    by_name = registry.get_experiment_run_logs(run_name=info.name, experiment_name="tuning")
    assert {item.name for item in by_name} == set(logs)
    made = registry.create_experiment("second")
    fields(made, name="second", state="LIVE")
    with registry.start_experiment_run(experiment_name="second") as outer:
        with registry.start_experiment_run(experiment_name="second", nested=True) as inner:
            inner.log_metric("depth", 1.5, timestamp="1700000000003")
    child = registry.get_experiment_run(inner.info.id)
    assert child.custom_properties["kubeflow.parent_run_id"] == outer.info.id


def main(url, *more):
    warnings.simplefilter("ignore")
    registry = open_client(url, more)
    api = registry._api  # pylint: disable=protected-access; the client's own asynchronous layer
    run = asyncio.get_event_loop().run_until_complete
    model, version, artifact = registering(registry)
    updating(registry, model, version, artifact)
    paging(registry)
    by_id(api, run, model, version, artifact)
    refused(api, run)
    if hasattr(registry, "start_experiment_run"):
        experiments(registry)
    print(model_registry.__version__, "done")


if __name__ == "__main__":
    main(*sys.argv[1:])
