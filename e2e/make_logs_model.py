"""Writes what botocore's model of CloudWatch Logs says of requests, as the server reads it.

Run: python e2e/make_logs_model.py > crates/server/src/api/aws/logs/model.json
"""

import json

from model_shapes import service_model

BOUNDS = ("min", "max", "pattern")


def request_model() -> dict:
    model, shapes = service_model("logs"), {}
    operations = {}
    for name in sorted(model.operation_names):
        operation = model.operation_model(name)
        errors = {shape.name for shape in operation.error_shapes}
        invalid = "ValidationException" if "ValidationException" in errors and "InvalidParameterException" not in errors else "InvalidParameterException"
        operations[name] = {"invalid": invalid, "input": add(shapes, operation.input_shape)}
    return {"operations": operations, "shapes": dict(sorted(shapes.items()))}


def add(shapes: dict, shape) -> str:
    if shape.name in shapes:
        return shape.name
    told = shapes[shape.name] = {"type": shape.type_name}
    told |= {bound: shape.metadata[bound] for bound in BOUNDS if bound in shape.metadata}
    if shape.type_name == "structure":
        told["members"] = {member: add(shapes, inner) for member, inner in shape.members.items()}
        told["required"] = list(shape.required_members)
    elif shape.type_name == "list":
        told["item"] = add(shapes, shape.member)
    elif shape.type_name == "map":
        told["key"], told["value"] = add(shapes, shape.key), add(shapes, shape.value)
    elif getattr(shape, "enum", None):
        told["enum"] = list(shape.enum)
    return shape.name


def text() -> str:
    return text_of(request_model())


def text_of(told: dict) -> str:
    """One line an operation and a shape: a new release of the model is read as a diff."""
    parts = [f' "{part}": {{\n' + ",\n".join(f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in told[part].items()) + "\n }" for part in ("operations", "shapes")]
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    print(text(), end="")
