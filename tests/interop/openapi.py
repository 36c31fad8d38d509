"""Checks answers against an OpenAPI 3.0 document: as much of its schemas as the Model Registry's uses."""

import re

import yaml

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "number": (int, float)}


class Document:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.tree = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.unseen = {(method, path) for path, item in self.tree["paths"].items()
                       for method in item if method in ("get", "post", "patch", "put", "delete")}

    def _resolved(self, node):
        while "$ref" in node:
            target = self.tree
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def operation(self, method, path):
        """The template of the path (fixed segments before parameters) and its operation."""
        found = []
        for template, item in self.tree["paths"].items():
            if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", template), path) and method in item:
                found.append((template.count("{"), template, item[method]))
        return min(found, key=lambda one: one[0])[1:] if found else (None, None)

    def problems(self, method, path, status, body):
        """What of the answer is not as the document says; [] if all of it is."""
        method = method.lower()
        template, operation = self.operation(method, path)
        if operation is None:
            return [f"{method} {path} is not in the document"]
        self.unseen.discard((method, template))
        answer = operation["responses"].get(str(status))
        if answer is None:
            return [f"{method} {template} may not answer {status}"]
        content = self._resolved(answer).get("content", {})
        if "application/json" not in content:
            return []
        return self._check(content["application/json"]["schema"], body, "answer")

    def _check(self, schema, value, where):
        schema = self._resolved(schema)
        found = []
        for part in schema.get("allOf", []):
            found += self._check(part, value, where)
        if "oneOf" in schema:
            found += self._check_variant(schema, value, where)
        kind = schema.get("type")
        if kind and (not isinstance(value, TYPES[kind])
                     or kind in ("integer", "number") and isinstance(value, bool)):
            return found + [f"{where}: {value!r} is no {kind}"]
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{where}: {value!r} is none of {schema['enum']}")
        if isinstance(value, str):
            if "pattern" in schema and not re.search(schema["pattern"], value):
                found.append(f"{where}: {value!r} does not match {schema['pattern']}")
            if len(value) < schema.get("minLength", 0):
                found.append(f"{where}: too short")
        if isinstance(value, list) and "items" in schema:
            for count, item in enumerate(value):
                found += self._check(schema["items"], item, f"{where}[{count}]")
        if isinstance(value, dict):
            found += self._check_object(schema, value, where)
        return found

    def _check_object(self, schema, value, where):
        found = [f"{where}: {name} is missing" for name in schema.get("required", [])
                 if name not in value]
        known = schema.get("properties", {})
        for name, inner in value.items():
            if name in known:
                found += self._check(known[name], inner, f"{where}.{name}")
            elif isinstance(schema.get("additionalProperties"), dict):
                found += self._check(schema["additionalProperties"], inner, f"{where}.{name}")
        return found

    def _check_variant(self, schema, value, where):
        choice = schema["discriminator"]
        name = value.get(choice["propertyName"]) if isinstance(value, dict) else None
        if name not in choice["mapping"]:
            return [f"{where}: {choice['propertyName']} {name!r} is not known"]
        return self._check({"$ref": choice["mapping"][name]}, value, where)
