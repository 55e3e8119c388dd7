"""CloudWatch's clients as the tests use them: boto3 and the AWS CLI pointed at a server, and what many calls have in common."""

import json
import os
import subprocess

import boto3
import botocore.config
import botocore.exceptions
import pytest
from support import aws_program

REGION = "eu-west-1"
KEYS = {"aws_access_key_id": "AKIAEXAMPLE0000000", "aws_secret_access_key": "examplesecret"}
MANAGED = "arn:aws:dataprotection::aws:data-identifier/"


def client(server, service="cloudwatch", keys=KEYS, **config):
    config = botocore.config.Config(retries={"total_max_attempts": 1}, inject_host_prefix=False, **config)
    return boto3.client(service, endpoint_url=server.http, region_name=REGION, config=config, **keys)


def refused(call, **arguments) -> tuple[str, str]:
    """The name and the message of the error that a call is answered with."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def aws(server, *arguments: str, **environment) -> dict:
    """What the AWS CLI prints."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    command = [aws_program("aws"), "--endpoint-url", server.http, "--region", REGION, "--output", "json", *arguments]
    ran = subprocess.run(command, env=kept | server.environment("cli") | environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout) if ran.stdout.strip() else {}


def protection(*identifiers: str) -> str:
    """A data protection policy over managed identifiers."""
    names = [MANAGED + identifier for identifier in identifiers]
    return json.dumps({"Name": "p", "Version": "2021-06-01", "Statement": [
        {"Sid": "audit", "DataIdentifier": names, "Operation": {"Audit": {"FindingsDestination": {}}}},
        {"Sid": "mask", "DataIdentifier": names, "Operation": {"Deidentify": {"MaskConfig": {}}}}]})
