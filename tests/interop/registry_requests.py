"""Requests to every endpoint of the Model Registry, right ones and wrong ones.

`REQUESTS` is played in order against a server, on an empty registry. `{name}` in paths and bodies
stands for the id of the answer that was kept under that name.
"""

import http.client
import json
import urllib.parse

ALL_PROPERTIES = {
    "text": {"metadataType": "MetadataStringValue", "string_value": "größe \"x\" <&> \u2028"},
    "empty": {"metadataType": "MetadataStringValue", "string_value": ""},
    "int": {"metadataType": "MetadataIntValue", "int_value": "123456789"},
    "double": {"metadataType": "MetadataDoubleValue", "double_value": 0.1},
    "whole": {"metadataType": "MetadataDoubleValue", "double_value": 3},
    "large": {"metadataType": "MetadataDoubleValue", "double_value": 1e300},
    "yes": {"metadataType": "MetadataBoolValue", "bool_value": True},
    "no": {"metadataType": "MetadataBoolValue", "bool_value": False},
}


def text(value):
    return {"p": {"metadataType": "MetadataStringValue", "string_value": value}}


def number(value):
    return {"p": {"metadataType": "MetadataIntValue", "int_value": value}}


def listing(path, **query):
    return ("GET", f"{path}?{urllib.parse.urlencode(query)}")


MODELS, VERSIONS = "registered_models", "model_versions"
REQUESTS = [
    ("GET", MODELS),
    ("POST", MODELS, {"name": "llama", "description": "d", "externalId": "x1", "owner": "ann",
                      "state": "LIVE", "readme": "# Llama", "maturity": "Generally Available",
                      "language": ["en", "de"], "tasks": ["text-generation"], "provider": "p",
                      "logo": "data:image/png;base64,AA==", "license": "apache-2.0",
                      "licenseLink": "https://example.org/l", "libraryName": "transformers",
                      "customProperties": ALL_PROPERTIES}, "model"),
    ("POST", MODELS, {"name": "mistral", "customProperties": text("b")}, "second"),
    ("POST", MODELS, {"name": "under_score"}),
    ("POST", MODELS, {"name": "llama"}),
    ("POST", MODELS, {"name": "other", "externalId": "x1"}),
    ("POST", MODELS, {}),
    ("POST", MODELS, {"name": ""}),
    ("POST", MODELS, {"name": "n", "unknown": 1}),
    ("POST", MODELS, {"name": 3}),
    ("POST", MODELS, {"name": "n", "state": "DEAD"}),
    ("POST", MODELS, {"name": "n", "customProperties": {"p": {"string_value": "no type"}}}),
    ("POST", MODELS, {"name": "n", "customProperties": {"p": {"metadataType": "Other"}}}),
    ("POST", MODELS, {"name": "n", "customProperties": number("x")}),
    ("POST", MODELS, {"name": "n", "customProperties": number("2147483648")}),
    ("POST", MODELS, b"not json"),
    ("POST", MODELS, b""),
    ("POST", MODELS, b"[]"),
    ("POST", MODELS, b"null"),
    ("GET", MODELS + "/{model}"),
    ("GET", MODELS + "/999999"),
    ("GET", MODELS + "/abc"),
    ("GET", MODELS + "/0"),
    ("GET", MODELS + "/-1"),
    ("GET", MODELS + "/99999999999999999999"),
    ("PATCH", MODELS + "/{model}", {"description": "changed", "state": "ARCHIVED"}),
    ("PATCH", MODELS + "/{model}", {"state": "LIVE", "customProperties": text("z")}),
    ("PATCH", MODELS + "/{model}", {}),
    ("PATCH", MODELS + "/{model}", {"name": "renamed"}),
    ("PATCH", MODELS + "/{model}", {"id": "7"}),
    ("PATCH", MODELS + "/999999", {"description": "x"}),
    ("PATCH", MODELS + "/abc", {"description": "x"}),
    ("GET", "registered_model?name=llama"),
    ("GET", "registered_model?externalId=x1"),
    ("GET", "registered_model?name=none"),
    ("GET", "registered_model"),
    ("GET", "registered_model?name="),
    # Versions
    ("POST", VERSIONS, {"name": "1", "registeredModelId": "{model}", "author": "ann",
                        "description": "first", "externalId": "v1",
                        "customProperties": ALL_PROPERTIES}, "version"),
    ("POST", MODELS + "/{model}/versions", {"name": "2", "registeredModelId": "{model}",
                                            "customProperties": text("a")}, "newer"),
    ("POST", MODELS + "/{second}/versions", {"name": "1", "registeredModelId": "{second}"}),
    ("POST", VERSIONS, {"name": "1", "registeredModelId": "{model}"}),
    ("POST", VERSIONS, {"name": "3"}),
    ("POST", VERSIONS, {"registeredModelId": "{model}"}),
    ("POST", VERSIONS, {"name": "3", "registeredModelId": "abc"}),
    ("GET", VERSIONS),
    ("GET", VERSIONS + "/{version}"),
    ("GET", VERSIONS + "/999999"),
    ("PATCH", VERSIONS + "/{version}", {"author": "bob", "state": "ARCHIVED"}),
    ("PATCH", VERSIONS + "/{version}", {"registeredModelId": "{second}"}),
    ("GET", MODELS + "/{model}/versions"),
    ("GET", MODELS + "/{model}/versions?name=2"),
    ("GET", MODELS + "/{model}/versions?externalId=v1"),
    ("GET", MODELS + "/999999/versions"),
    ("GET", "model_version?name=1&parentResourceId={model}"),
    ("GET", "model_version?externalId=v1"),
    ("GET", "model_version?name=1"),
    ("GET", "model_version?name=none&parentResourceId={model}"),
    # Artifacts
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "model-artifact", "name": "weights", "uri": "s3://b/w", "state": "LIVE",
      "modelFormatName": "safetensors", "modelFormatVersion": "1", "storageKey": "k",
      "storagePath": "p", "serviceAccountName": "sa", "modelSourceKind": "k",
      "modelSourceClass": "c", "modelSourceGroup": "g", "modelSourceId": "i",
      "modelSourceName": "n", "externalId": "a1", "customProperties": ALL_PROPERTIES}, "weights"),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "doc-artifact", "name": "card", "uri": "s3://b/c"}, "card"),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "dataset-artifact", "name": "data", "uri": "s3://b/d", "digest": "sha256:0",
      "sourceType": "s3", "source": "s3://b", "schema": "{}", "profile": "{}"}),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "metric", "name": "loss", "value": 0.5, "step": 1,
      "timestamp": "1700000000000"}),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "metric", "name": "loss", "value": 0.25, "step": 2}),
    ("POST", VERSIONS + "/{version}/artifacts", {"artifactType": "metric", "name": "none"}),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "parameter", "name": "rate", "value": "0.1", "parameterType": "number"}),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "model-artifact", "name": "weights", "uri": "s3://b/again"}),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "model-artifact", "id": "{weights}", "uri": "s3://b/moved"}),
    ("POST", VERSIONS + "/{version}/artifacts",
     {"artifactType": "model-artifact", "name": "plain", "uri": "s3://b/p"}),
    ("POST", VERSIONS + "/{version}/artifacts", {"name": "untyped"}),
    ("POST", VERSIONS + "/{version}/artifacts", {"artifactType": "other", "name": "x"}),
    ("POST", VERSIONS + "/999999/artifacts", {"artifactType": "doc-artifact", "name": "x"}),
    ("GET", VERSIONS + "/{version}/artifacts"),
    ("GET", VERSIONS + "/{version}/artifacts?artifactType=metric"),
    ("GET", VERSIONS + "/{version}/artifacts?artifactType=nonsense"),
    ("GET", VERSIONS + "/{version}/artifacts?name=card"),
    ("GET", VERSIONS + "/999999/artifacts"),
    ("POST", "model_artifacts", {"artifactType": "model-artifact", "name": "loose",
                                 "uri": "s3://b/l", "externalId": "a2"}, "loose"),
    ("GET", "model_artifacts"),
    ("GET", "model_artifacts/{weights}"),
    ("GET", "model_artifacts/{card}"),
    ("GET", "model_artifacts/999999"),
    ("PATCH", "model_artifacts/{loose}", {"artifactType": "model-artifact", "state": "LIVE"}),
    ("GET", "model_artifact?name=weights&parentResourceId={version}"),
    ("GET", "model_artifact?externalId=a2"),
    ("GET", "model_artifact?name=weights"),
    ("POST", "artifacts", {"artifactType": "doc-artifact", "name": "free", "uri": "s3://b/f",
                           "externalId": "a3"}, "free"),
    ("POST", "artifacts", {"name": "untyped"}),
    ("GET", "artifacts"),
    ("GET", "artifacts/{free}"),
    ("GET", "artifacts/999999"),
    ("PATCH", "artifacts/{free}", {"artifactType": "doc-artifact", "description": "words"}),
    ("GET", "artifact?externalId=a3"),
    ("GET", "artifact?name=weights&parentResourceId={version}"),
    ("GET", "artifact"),
    # Serving
    ("POST", "serving_environments", {"name": "prod", "externalId": "e1",
                                      "customProperties": text("a")}, "place"),
    ("POST", "serving_environments", {"name": "prod"}),
    ("GET", "serving_environments"),
    ("GET", "serving_environments/{place}"),
    ("PATCH", "serving_environments/{place}", {"description": "where it counts"}),
    ("GET", "serving_environment?name=prod"),
    ("GET", "serving_environment?name=none"),
    ("POST", "inference_services", {"name": "svc", "registeredModelId": "{model}",
                                    "servingEnvironmentId": "{place}", "runtime": "vllm",
                                    "desiredState": "DEPLOYED"}, "service"),
    ("POST", "serving_environments/{place}/inference_services",
     {"name": "pinned", "registeredModelId": "{model}", "servingEnvironmentId": "{place}",
      "modelVersionId": "{version}"}, "pinned"),
    ("POST", "inference_services", {"name": "x", "registeredModelId": "{model}"}),
    ("POST", "inference_services", {"name": "x", "registeredModelId": "999999",
                                    "servingEnvironmentId": "{place}"}),
    ("GET", "inference_services"),
    ("GET", "inference_services/{service}"),
    ("GET", "serving_environments/{place}/inference_services"),
    ("PATCH", "inference_services/{service}", {"desiredState": "UNDEPLOYED"}),
    ("GET", "inference_service?name=svc&parentResourceId={place}"),
    ("GET", "inference_services/{service}/model"),
    ("GET", "inference_services/{service}/version"),
    ("GET", "inference_services/{pinned}/version"),
    ("GET", "inference_services/999999/model"),
    ("POST", "inference_services/{service}/serves", {"modelVersionId": "{version}", "name": "s1",
                                                     "lastKnownState": "RUNNING"}),
    ("POST", "inference_services/{service}/serves", {"name": "s2"}),
    ("GET", "inference_services/{service}/serves"),
    # Experiments
    ("POST", "experiments", {"name": "tuning", "owner": "ann", "externalId": "t1"}, "experiment"),
    ("GET", "experiments"),
    ("GET", "experiments/{experiment}"),
    ("PATCH", "experiments/{experiment}", {"state": "ARCHIVED"}),
    ("GET", "experiment?name=tuning"),
    ("POST", "experiment_runs", {"name": "run", "experimentId": "{experiment}",
                                 "status": "RUNNING", "startTimeSinceEpoch": "1700000000000"},
     "run"),
    ("POST", "experiments/{experiment}/experiment_runs",
     {"name": "run2", "experimentId": "{experiment}"}),
    ("POST", "experiment_runs", {"name": "run3", "experimentId": "999999"}),
    ("GET", "experiment_runs"),
    ("GET", "experiment_runs/{run}"),
    ("GET", "experiments/{experiment}/experiment_runs"),
    ("PATCH", "experiment_runs/{run}", {"status": "FINISHED",
                                        "endTimeSinceEpoch": "1700000000009"}),
    ("GET", "experiment_run?name=run&parentResourceId={experiment}"),
    ("POST", "experiment_runs/{run}/artifacts",
     {"artifactType": "metric", "name": "loss", "value": 2, "step": 1,
      "timestamp": "1700000000001"}),
    ("POST", "experiment_runs/{run}/artifacts",
     {"artifactType": "metric", "name": "loss", "value": 1, "step": 2,
      "timestamp": "1700000000002"}),
    ("POST", "experiment_runs/{run}/artifacts",
     {"artifactType": "parameter", "name": "lr", "value": "0.1"}),
    ("GET", "experiment_runs/{run}/artifacts"),
    ("GET", "experiment_runs/{run}/metric_history"),
    ("GET", "experiment_runs/{run}/metric_history?name=loss&stepIds=2"),
    ("GET", "experiment_runs/{run}/metric_history?stepIds=x"),
    ("GET", "experiment_runs/metric_history"),
    ("GET", "experiment_runs/999999/metric_history"),
    # Lists
    ("GET", MODELS + "?pageSize=2"),
    ("GET", MODELS + "?pageSize=0"),
    ("GET", MODELS + "?pageSize=-1"),
    ("GET", MODELS + "?pageSize=x"),
    ("GET", MODELS + "?orderBy=CREATE_TIME&sortOrder=DESC"),
    ("GET", MODELS + "?orderBy=LAST_UPDATE_TIME"),
    ("GET", MODELS + "?orderBy=nonsense&sortOrder=nonsense"),
    ("GET", MODELS + "?nextPageToken=nonsense!"),
    ("GET", MODELS + "?nextPageToken="),
    *[listing(MODELS, filterQuery=query) for query in (
        "name = 'llama'", "name LIKE 'l%'", "name ILIKE 'LL%'", "name IN ('llama','mistral')",
        "name != 'llama' AND state = 'LIVE'", "(name = 'llama' OR name = 'mistral') AND id > 0",
        "p = 'z'", "p.string_value = 'z'", "`p` = 'z'", "owner = 'ann'", "externalId = 'x1'",
        "name =", "name = 'unfinished", "= 'x'", "name = 'a' OR", "nothing = 'x'",
        "name = 'x'; DROP TABLE registered_model; --", "name = 'x' UNION SELECT 1",
        "1 = 1", "id = 'abc'", "name = 'o''brien'", "name IN ()", "a.b.c.d = 1",
        "name = 'a' OR '1'='1'")],
    # What is no endpoint
    ("GET", "nothing"),
    ("DELETE", MODELS + "/{model}"),
    ("PUT", MODELS + "/{model}", {"name": "llama"}),
    ("POST", MODELS + "/{model}", {}),
]


class Player:
    """Sends requests to one server and keeps ids."""

    PATHS = "/api/model_registry/v1alpha3/"  # as in the published document

    def __init__(self, url, base=PATHS, headers=None):
        self.address, self.base = urllib.parse.urlsplit(url), base
        self.headers, self.ids = headers or {}, {}

    def send(self, method, path, body=None, timeout=60):
        """(status, content type, parsed body or text)"""
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port,
                                                timeout=timeout)
        try:
            headers = dict(self.headers)
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, self.base + path, body=body, headers=headers)
            answer = connection.getresponse()
            data, kind = answer.read(), answer.getheader("Content-Type") or ""
        finally:
            connection.close()
        return answer.status, kind, json.loads(data) if "json" in kind else data.decode()

    def filled(self, value):
        if isinstance(value, dict):
            return {name: self.filled(inner) for name, inner in value.items()}
        if isinstance(value, str):
            for name, known in self.ids.items():
                value = value.replace("{" + name + "}", known)
        return value

    def play(self, request):
        method, path, body, keep = (*request, None, None)[:4]
        status, kind, answer = self.send(method, self.filled(path), self.filled(body))
        if keep:
            assert status in (200, 201), (request, status, answer)
            self.ids[keep] = answer["id"]
        return status, kind, answer
