"""Writes what botocore's model of CloudWatch says of requests and answers, as the server reads it.

Run: python e2e/make_metrics_model.py > crates/server/src/api/aws/metrics/model.json
"""

from make_logs_model import add, text_of
from model_shapes import service_model


def metrics_model() -> dict:
    model, shapes, operations = service_model("cloudwatch"), {}, {}
    for name in sorted(model.operation_names):
        operation = model.operation_model(name)
        told = operations[name] = {"input": add(shapes, operation.input_shape) if operation.input_shape else None}
        if operation.output_shape:
            told["output"] = add(shapes, operation.output_shape)
            told["wrapper"] = operation.output_shape.serialization.get("resultWrapper") or f"{name}Result"
    return {"operations": operations, "shapes": dict(sorted(shapes.items()))}


def text() -> str:
    return text_of(metrics_model())


if __name__ == "__main__":
    print(text(), end="")
