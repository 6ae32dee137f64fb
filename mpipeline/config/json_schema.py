"""The config as a JSON Schema (draft 2020-12), from which editors complete and check it.

It is made from the same models that read the config, with the options of every kind that is installed. It knows less
than `mpipeline check`: rules that hold between keys, and whether files are there, are not in it.
"""

from __future__ import annotations

from typing import Any

from mpipeline import registry
from mpipeline.config.descriptions import DESCRIPTIONS
from mpipeline.config.schema import INFERRED, RunConfig, SinkSpec, SourceSpec
from mpipeline.config.spec import KindSpec
from mpipeline.errors import MpipelineError
from mpipeline.registry import Group

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLE = "mpipeline config"
_VARIABLE = {"type": "string", "pattern": r"\$\{"}  # a number may come from the environment
_TABLES: dict[str, Group] = {"family": "models", "backend": "backends"}  # keys of the model that name a kind

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The schema, as plain data."""
    whole = RunConfig.model_json_schema()
    parts: dict[str, Schema] = whole.pop("$defs")
    for spec in (SourceSpec, SinkSpec):
        common = parts[spec.__name__]["properties"]
        parts[spec.__name__] = {"anyOf": [_branch(spec, kind, common, parts) for kind in sorted(_kinds(spec))]}
    for key, group in _TABLES.items():
        names = sorted(registry.kinds(group))
        for model in ("ModelSpec", "NamedModelSpec"):
            parts[model]["properties"][key]["examples"] = names
    for name, part in {"RunConfig": whole, **parts}.items():
        _describe(part, name)
    required = set(whole["required"])
    for key, field in whole["properties"].items():
        if key not in required:  # with nothing behind it, it means the default
            whole["properties"][key] = _either(field, {"type": "null"})
    whole["anyOf"] = [{"required": [key]} for key in ("model", "models")]
    made = {"$schema": _DIALECT, **whole, "title": _TITLE, "$defs": parts}
    opened: Schema = _with_variables(made)
    return opened


def _kinds(spec: type[KindSpec]) -> list[str]:
    """The kinds of that group whose options can be told."""
    found = []
    for kind in registry.kinds(spec.GROUP):
        try:
            options = registry.load(spec.GROUP, kind).Options
        except (MpipelineError, AttributeError):  # a kind of another package that does not load
            continue
        if hasattr(options, "model_json_schema"):
            found.append(kind)
    return found


def _branch(spec: type[KindSpec], kind: str, common: Schema, parts: dict[str, Schema]) -> Schema:
    """An entry of that kind: the common keys and its own."""
    implementation = registry.load(spec.GROUP, kind)
    prefix = f"{spec.GROUP}-{kind}-"
    own = implementation.Options.model_json_schema(ref_template=f"#/$defs/{prefix}{{model}}")
    parts.update({f"{prefix}{name}": part for name, part in own.pop("$defs", {}).items()})
    keys = {name: field for name, field in common.items() if name not in ("options", "kind")}
    keys |= own.get("properties", {})
    required = list(own.get("required", []))
    infers = spec is SourceSpec and not keys.keys().isdisjoint({"uri", *INFERRED})
    if infers and "uri" in keys:
        keys["uri"] = {**keys["uri"], "type": ["string", "integer"]}  # the number of a camera
    if not infers:
        required.append("kind")
    about = (implementation.__doc__ or "").strip().splitlines()
    entry = {"const": kind, "description": about[0] if about else kind}
    _describe_keys(keys, spec.__name__)
    return {
        "type": "object",
        "title": f"{kind} ({spec.GROUP})",
        "properties": {"kind": entry, **keys},
        "required": required,
        "additionalProperties": False,
    }


def _describe(part: Schema, name: str) -> None:
    part.pop("description", None)  # a docstring for programmers
    _describe_keys(part.get("properties", {}), name)


def _describe_keys(keys: Schema, name: str) -> None:
    for key, text in DESCRIPTIONS.get(name, {}).items():
        if key in keys:
            keys[key] = {**keys[key], "description": text}
    for field in keys.values():
        field.pop("title", None)  # only the key in capitals


def _with_variables(node: Any) -> Any:
    """The schema with `${NAME}` allowed wherever something else than text stands."""
    if isinstance(node, list):
        return [_with_variables(item) for item in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _with_variables(value) for key, value in node.items()}
    if inner.get("type") in ("number", "integer", "boolean"):
        return _either(inner, _VARIABLE)
    return inner


def _either(field: Schema, other: Schema) -> Schema:
    """One or the other; what is said of the field stays outside, where editors look."""
    told: Schema = {key: field[key] for key in ("description", "default", "examples") if key in field}
    return {**told, "anyOf": [{key: value for key, value in field.items() if key not in told}, other]}
