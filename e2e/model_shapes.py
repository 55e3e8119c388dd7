"""What botocore's model of a service says: its operations, whether an answer has its shape, and what is wrong input."""

import itertools
import re

import botocore.loaders
import botocore.model

# Texts of which nearly every pattern forbids one.
UNUSUAL = ("not ä/b?", "a:*b", "\x01")


def service_model(service: str) -> botocore.model.ServiceModel:
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(service, "service-2"), service)


def faults(shape, value, path: str = "$") -> list[str]:
    """What of a raw JSON answer is not as the model says; nothing when it is."""
    check = {"structure": _structure, "list": _list, "map": _map}.get(shape.type_name, _scalar)
    return check(shape, value, path)


def _structure(shape, value, path):
    if not isinstance(value, dict):
        return [f"{path}: expected an object, found {value!r}"]
    found = [f"{path}.{member}: missing" for member in shape.required_members if value.get(member) is None]
    for member, inner in value.items():
        if member not in shape.members:
            found.append(f"{path}.{member}: not a member of {shape.name}")
        else:
            found += faults(shape.members[member], inner, f"{path}.{member}")
    return found


def _list(shape, value, path):
    if not isinstance(value, list):
        return [f"{path}: expected a list, found {value!r}"]
    found = [f"{path}: {len(value)} items, expected at most {shape.metadata['max']}"] if len(value) > shape.metadata.get("max", len(value)) else []
    return found + [fault for at, item in enumerate(value) for fault in faults(shape.member, item, f"{path}[{at}]")]


def _map(shape, value, path):
    if not isinstance(value, dict):
        return [f"{path}: expected an object, found {value!r}"]
    return [fault for key, item in value.items() for fault in faults(shape.value, item, f"{path}[{key}]")]


def _scalar(shape, value, path):
    kinds = {"string": str, "boolean": bool, "integer": int, "long": int, "double": (int, float), "float": (int, float), "timestamp": (int, float)}
    kind = kinds[shape.type_name]
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
        return [f"{path}: expected {shape.type_name}, found {value!r}"]
    if shape.type_name == "string":
        if getattr(shape, "enum", None) and value not in shape.enum:
            return [f"{path}: {value!r} is none of {shape.enum}"]
        if not shape.metadata.get("min", 0) <= len(value) <= shape.metadata.get("max", len(value)):
            return [f"{path}: {len(value)} characters"]
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(_for_python(pattern), value):
            return [f"{path}: {value!r} is not {pattern}"]
    return []


def _for_python(pattern: str) -> str:
    """Patterns are Java's, with classes that Python's know otherwise or not at all."""
    for theirs, ours in ((r"\p{L}", "A-Za-z"), (r"\p{Z}", " "), (r"\p{N}", "0-9"), (r"\w-_", r"\w_-")):
        pattern = pattern.replace(theirs, ours)
    return pattern


def wrong_inputs(shape, valid: dict) -> list[tuple[str, dict]]:
    """Input that the model forbids, made of input it allows: (what is wrong, input)."""
    if shape is None:
        return []
    found = []
    for member in shape.required_members:
        found.append((f"{member} is missing", {key: value for key, value in valid.items() if key != member}))
    for member, inner in shape.members.items():
        found.append((f"{member} has a wrong type", valid | {member: WRONG_TYPE[inner.type_name]}))
        found += [(f"{member} {what}", valid | {member: wrong}) for what, wrong in _beyond(inner)]
    return found


WRONG_TYPE = {"string": 5, "boolean": "yes", "integer": "many", "long": "many", "double": "much", "timestamp": "yesterday",
              "structure": "text", "list": "text", "map": "text"}


def _beyond(shape):
    bounds = shape.metadata
    if shape.type_name == "string":
        if bounds.get("max"):
            yield "is too long", "x" * (bounds["max"] + 1)
        if bounds.get("min"):
            yield "is too short", "x" * (bounds["min"] - 1)
        if getattr(shape, "enum", None):
            yield "is no word of its list", "nonsense"
        if bounds.get("pattern"):
            pattern = _for_python(bounds["pattern"])
            fits = (text for text in UNUSUAL if not re.fullmatch(pattern, text))
            yield from (("does not match its pattern", text) for text in itertools.islice(fits, 1))
    elif shape.type_name in ("integer", "long", "double"):
        if "max" in bounds:
            yield "is too large", bounds["max"] + 1
        if "min" in bounds:
            yield "is too small", bounds["min"] - 1
    elif shape.type_name == "list" and "max" in bounds:
        yield "has too many items", [1] * (bounds["max"] + 1)
