"""Check answers of the local Auto Scaling and EC2 endpoint against botocore's service models.

boto3 is forgiving: it skips elements that it does not know, and leaves out what is missing. So the
raw answer is compared with the shape that the service model declares for it: names of elements,
required members, enumerations, numbers, timestamps, namespace; for an error its code.

Usage:
    botocore_conformity.py drive ENDPOINT GROUP
        Calls every implemented operation by boto3, on a group with at least three instances that
        are held by the launch hook `launch`, and a terminate hook `terminate`.
    botocore_conformity.py validate < ANSWERS
        Checks the answers of a JSON list of objects with service, operation, status and body.

Both print a JSON list of objects with service, operation, error_code and problems, and end with
status 1 if there are problems.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import OperationModel, Shape

_TIMESTAMP_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"

# Errors that every operation of the service may answer and the models do not list
# (API references: "Common Errors" of Auto Scaling, "Error codes" of EC2).
_COMMON_ERRORS = {
    "autoscaling": {
        "AccessDenied",
        "InternalFailure",
        "InvalidAction",
        "ServiceUnavailable",
        "Throttling",
        "ValidationError",
    },
    "ec2": {
        "InternalError",
        "InvalidAction",
        "InvalidInstanceID.Malformed",
        "InvalidInstanceID.NotFound",
        "InvalidNextToken",
        "InvalidParameterValue",
        "RequestLimitExceeded",
        "Unavailable",
        "ValidationError",
    },
}


@dataclass
class Report:
    """What was found about one answer."""

    service: str
    operation: str
    error_code: str | None
    problems: list[str] = field(default_factory=list)


class ShapeChecker:
    """Compares XML elements with the shapes of a model."""

    def __init__(self, protocol: str) -> None:
        """Create a checker.

        Args:
            protocol: `query` or `ec2`; they name the elements of lists differently.
        """
        self._list_element = "item" if protocol == "ec2" else "member"
        self.problems: list[str] = []

    def check(self, element: ET.Element, shape: Shape, path: str) -> None:
        """Compare an element, and all below it, with a shape."""
        checkers: dict[str, Callable[[ET.Element, Any, str], None]] = {
            "structure": self._check_structure,
            "list": self._check_list,
            "timestamp": self._check_timestamp,
            "string": self._check_string,
            "boolean": self._check_boolean,
            "integer": self._check_integer,
            "long": self._check_integer,
        }
        checker = checkers.get(shape.type_name)
        if checker is None:
            self.problems.append(f"{path}: shapes of type {shape.type_name} are not checked")
        else:
            checker(element, shape, path)

    def check_members(
        self,
        elements: list[ET.Element],
        shape: Any,  # noqa: ANN401 - botocore's stubs have no type for any structure shape
        path: str,
    ) -> None:
        """Compare the children of a structure with its members."""
        by_name = {
            member.serialization.get("name", name): (name, member)
            for name, member in shape.members.items()
        }
        seen: set[str] = set()
        for element in elements:
            tag = local_name(element)
            if tag not in by_name:
                self.problems.append(f"{path}: unknown element {tag}")
                continue
            name, member = by_name[tag]
            if name in seen:
                self.problems.append(f"{path}: element {tag} occurs twice")
            seen.add(name)
            self.check(element, member, f"{path}.{name}")
        self.problems.extend(
            f"{path}: required member {name} is missing"
            for name in shape.required_members
            if name not in seen
        )

    def _check_structure(self, element: ET.Element, shape: Any, path: str) -> None:  # noqa: ANN401 - see check_members
        self._check_no_text(element, path)
        self.check_members(list(element), shape, path)

    def _check_list(self, element: ET.Element, shape: Any, path: str) -> None:  # noqa: ANN401 - see check_members
        self._check_no_text(element, path)
        expected = shape.member.serialization.get("name", self._list_element)
        for index, child in enumerate(element):
            if local_name(child) != expected:
                self.problems.append(
                    f"{path}: unknown element {local_name(child)}, expected {expected}"
                )
            else:
                self.check(child, shape.member, f"{path}[{index}]")

    def _check_string(self, element: ET.Element, shape: Any, path: str) -> None:  # noqa: ANN401 - see check_members
        text = self._text(element, path)
        if shape.enum and text not in shape.enum:
            self.problems.append(f"{path}: {text!r} is not one of {', '.join(shape.enum)}")

    def _check_boolean(self, element: ET.Element, _shape: Shape, path: str) -> None:
        text = self._text(element, path)
        if text not in {"true", "false"}:
            self.problems.append(f"{path}: {text!r} is not a boolean")

    def _check_integer(self, element: ET.Element, _shape: Shape, path: str) -> None:
        text = self._text(element, path)
        try:
            int(text)
        except ValueError:
            self.problems.append(f"{path}: {text!r} is not an integer")

    def _check_timestamp(self, element: ET.Element, _shape: Shape, path: str) -> None:
        text = self._text(element, path)
        try:
            datetime.strptime(text, _TIMESTAMP_FORMAT)  # noqa: DTZ007 - only its form matters
        except ValueError:
            self.problems.append(f"{path}: {text!r} is not a timestamp of ISO 8601 in UTC")

    def _check_no_text(self, element: ET.Element, path: str) -> None:
        if (element.text or "").strip():
            self.problems.append(f"{path}: unexpected text {element.text!r}")

    def _text(self, element: ET.Element, path: str) -> str:
        self.problems.extend(f"{path}: unexpected element {local_name(child)}" for child in element)
        return element.text or ""


def local_name(element: ET.Element) -> str:
    """Name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def check_answer(operation: OperationModel, status: int, body: str) -> Report:
    """Compare an answer with the model of its operation.

    Args:
        operation: From the service model.
        status: Of the HTTP answer.
        body: The XML document.
    """
    service = operation.service_model.service_name
    report = Report(service, operation.name, None)
    try:
        root = ET.fromstring(body)  # noqa: S314 - from our own endpoint on loopback
    except ET.ParseError as error:
        report.problems.append(f"not an XML document: {error}")
        return report
    if status >= 300:  # noqa: PLR2004 - HTTP: 3xx and above are no success
        report.error_code = _check_error(operation, root, report.problems)
    else:
        report.problems.extend(_check_success(operation, root))
    return report


def _check_success(operation: OperationModel, root: ET.Element) -> list[str]:
    metadata = operation.service_model.metadata
    protocol = metadata["protocol"]
    checker = ShapeChecker(protocol)
    problems = checker.problems
    namespace = metadata["xmlNamespace"]
    # EC2 answers with a slash at the end, which its model does not have.
    if root.tag.partition("}")[0].strip("{").rstrip("/") != namespace.rstrip("/"):
        problems.append(f"{root.tag}: the namespace is not {namespace}")
    expected_root = f"{operation.name}Response"
    if local_name(root) != expected_root:
        problems.append(f"the root element is {local_name(root)}, not {expected_root}")
    children = {local_name(child): child for child in root}
    shape = operation.output_shape
    if protocol == "ec2":
        if children.pop("requestId", None) is None:
            problems.append("requestId is missing")
        if shape is not None:
            checker.check_members(list(children.values()), shape, operation.name)
        return problems
    response_metadata = children.pop("ResponseMetadata", None)
    if response_metadata is None or [local_name(c) for c in response_metadata] != ["RequestId"]:
        problems.append("ResponseMetadata with RequestId is missing")
    wrapper = shape.serialization["resultWrapper"] if shape is not None else None
    result = children.pop(wrapper, None) if wrapper else None
    if shape is not None and result is None:
        problems.append(f"{wrapper} is missing")
    elif shape is not None and result is not None:
        checker.check(result, shape, operation.name)
    problems.extend(f"unknown element {name}" for name in children)
    return problems


def _check_error(operation: OperationModel, root: ET.Element, problems: list[str]) -> str | None:
    service = operation.service_model.service_name
    ec2 = operation.service_model.metadata["protocol"] == "ec2"
    expected_root, error_path = (
        ("Response", ["Errors", "Error"]) if ec2 else ("ErrorResponse", ["Error"])
    )
    if local_name(root) != expected_root:
        problems.append(f"the root element is {local_name(root)}, not {expected_root}")
    error: ET.Element | None = root
    for name in error_path:
        error = next(
            (c for c in (error if error is not None else []) if local_name(c) == name), None
        )
    code = next(
        (c.text for c in (error if error is not None else []) if local_name(c) == "Code"), None
    )
    declared = {
        shape.metadata.get("error", {}).get("code", shape.name) for shape in operation.error_shapes
    }
    if code is None:
        problems.append("an error without a code")
    elif code not in declared | _COMMON_ERRORS[service]:
        problems.append(f"error code {code!r} is not declared by the model")
    if not any(local_name(c) == "Message" and c.text for c in (error if error is not None else [])):
        problems.append("an error without a message")
    request_id = "RequestID" if ec2 else "RequestId"
    if not any(local_name(child) == request_id and child.text for child in root):
        problems.append(f"{request_id} is missing")
    return code


class Driver:
    """Calls operations by boto3 and checks each raw answer."""

    def __init__(self, endpoint: str) -> None:
        """Create the clients.

        Args:
            endpoint: URL of both services.
        """
        self.reports: list[Report] = []
        config = Config(retries={"total_max_attempts": 1})
        options: dict[str, Any] = {
            "endpoint_url": endpoint,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": config,
        }
        self.auto_scaling = boto3.client("autoscaling", **options)
        self.ec2 = boto3.client("ec2", **options)
        for client in (self.auto_scaling, self.ec2):
            client.meta.events.register("before-parse.*.*", self._check)

    def _check(
        self, operation_model: OperationModel, response_dict: dict[str, Any], **_: object
    ) -> None:
        body = response_dict["body"].decode("utf-8")
        self.reports.append(check_answer(operation_model, response_dict["status_code"], body))

    def refuses(self, code: str, call: Callable[..., object], **parameters: Any) -> None:  # noqa: ANN401 - parameters of any operation
        """Expect a call to be answered with an error."""
        try:
            call(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] != code:
                self.reports[-1].problems.append(f"answered {error}, expected {code}")
        else:
            self.reports[-1].problems.append(f"succeeded, expected {code}")

    def expect(self, actual: object, expected: object) -> None:
        """Expect what boto3 made of the latest answer."""
        if actual != expected:
            self.reports[-1].problems.append(f"boto3 read {actual!r}, expected {expected!r}")


def drive(endpoint: str, group_name: str) -> list[Report]:
    """Call every implemented operation, in success and in failure."""
    driver = Driver(endpoint)
    _drive_launch(driver, group_name)
    _drive_termination(driver, group_name)
    _drive_ec2(driver, group_name)
    return driver.reports


def _drive_launch(driver: Driver, group_name: str) -> None:
    client = driver.auto_scaling
    group: Any = {"AutoScalingGroupName": group_name}
    unknown: Any = {"AutoScalingGroupName": "unknown & <other>"}
    described = client.describe_auto_scaling_groups(AutoScalingGroupNames=[group_name])
    instances = [i["InstanceId"] for i in described["AutoScalingGroups"][0]["Instances"]]
    driver.expect(
        {i["LifecycleState"] for i in described["AutoScalingGroups"][0]["Instances"]},
        {"Pending:Wait"},
    )
    nothing = client.describe_auto_scaling_groups(AutoScalingGroupNames=["unknown"])
    driver.expect(nothing["AutoScalingGroups"], [])
    driver.refuses("InvalidNextToken", client.describe_auto_scaling_groups, NextToken="nonsense")
    pages = client.get_paginator("describe_auto_scaling_instances").paginate(
        PaginationConfig={"PageSize": 1}
    )
    paged = [i["InstanceId"] for page in pages for i in page["AutoScalingInstances"]]
    driver.expect(paged, instances)
    hooks = client.describe_lifecycle_hooks(**group)["LifecycleHooks"]
    driver.expect({hook["LifecycleHookName"] for hook in hooks}, {"launch", "terminate"})
    driver.refuses("ValidationError", client.describe_lifecycle_hooks, **unknown)
    client.put_lifecycle_hook(
        **group,
        LifecycleHookName="terminate",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=120,
        DefaultResult="CONTINUE",
        NotificationMetadata='<a & "b">',
    )
    (hook,) = client.describe_lifecycle_hooks(**group, LifecycleHookNames=["terminate"])[
        "LifecycleHooks"
    ]
    driver.expect(
        (hook["HeartbeatTimeout"], hook["GlobalTimeout"], hook["NotificationMetadata"]),
        (120, 12000, '<a & "b">'),
    )
    driver.refuses(
        "ValidationError",
        client.put_lifecycle_hook,
        **group,
        LifecycleHookName="terminate",
        HeartbeatTimeout=29,
    )
    for instance_id in instances:
        action: Any = {**group, "LifecycleHookName": "launch", "InstanceId": instance_id}
        client.record_lifecycle_action_heartbeat(**action)
        client.complete_lifecycle_action(**action, LifecycleActionResult="CONTINUE")
        driver.refuses(
            "ValidationError",
            client.complete_lifecycle_action,
            **action,
            LifecycleActionResult="CONTINUE",
        )
        driver.refuses("ValidationError", client.record_lifecycle_action_heartbeat, **action)


def _drive_termination(driver: Driver, group_name: str) -> None:
    client = driver.auto_scaling
    group: Any = {"AutoScalingGroupName": group_name}
    first, second, third = (
        i["InstanceId"] for i in client.describe_auto_scaling_instances()["AutoScalingInstances"]
    )
    client.update_auto_scaling_group(**group, MinSize=0, MaxSize=5, DesiredCapacity=3)
    driver.refuses("ValidationError", client.update_auto_scaling_group, **group, MinSize=9)
    driver.refuses(
        "ValidationError", client.update_auto_scaling_group, **group, CapacityRebalance=True
    )
    driver.refuses("ValidationError", client.set_desired_capacity, **group, DesiredCapacity=6)
    terminated = client.terminate_instance_in_auto_scaling_group(
        InstanceId=first, ShouldDecrementDesiredCapacity=True
    )
    driver.expect(terminated["Activity"]["StatusCode"], "MidLifecycleAction")
    driver.refuses(
        "ValidationError",
        client.terminate_instance_in_auto_scaling_group,
        InstanceId="i-00000000000000000",
        ShouldDecrementDesiredCapacity=True,
    )
    client.set_instance_health(InstanceId=second, HealthStatus="Unhealthy")
    driver.refuses(
        "ValidationError", client.set_instance_health, InstanceId=third, HealthStatus="Unwell"
    )
    client.set_desired_capacity(**group, DesiredCapacity=1)
    activities = client.describe_scaling_activities(**group)["Activities"]
    driver.expect(
        {a["StatusCode"] for a in activities} <= {"MidLifecycleAction", "Successful", "Cancelled"},
        True,  # noqa: FBT003 - compared with a comparison
    )
    states = {
        i["InstanceId"]: i["LifecycleState"]
        for i in client.describe_auto_scaling_instances(InstanceIds=[first, second])[
            "AutoScalingInstances"
        ]
    }
    driver.expect(states, {first: "Terminating:Wait", second: "Terminating:Wait"})
    client.complete_lifecycle_action(
        **group,
        LifecycleHookName="terminate",
        InstanceId=first,
        LifecycleActionResult="ABANDON",
    )


def _drive_ec2(driver: Driver, group_name: str) -> None:
    client = driver.ec2
    pages = client.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "tag:aws:autoscaling:groupName", "Values": [group_name]}],
        PaginationConfig={"PageSize": 1},
    )
    found = [
        instance
        for page in pages
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]
    ]
    driver.expect({i["State"]["Name"] for i in found}, {"running", "terminated"})
    driver.expect(
        all("PrivateIpAddress" in i for i in found if i["State"]["Name"] == "running"),
        True,  # noqa: FBT003 - compared with a comparison
    )
    running = next(i["InstanceId"] for i in found if i["State"]["Name"] == "running")
    client.describe_instances(InstanceIds=[running])
    client.terminate_instances(InstanceIds=[running])
    driver.refuses(
        "InvalidInstanceID.NotFound", client.describe_instances, InstanceIds=["i-00000000000000000"]
    )
    driver.refuses(
        "InvalidInstanceID.Malformed", client.terminate_instances, InstanceIds=["nonsense"]
    )
    driver.refuses(
        "InvalidParameterValue",
        client.describe_instances,
        Filters=[{"Name": "colour", "Values": ["red"]}],
    )
    driver.refuses("InvalidAction", client.describe_vpcs)
    driver.refuses("InvalidAction", driver.auto_scaling.describe_policies)


def validate(answers: list[dict[str, Any]]) -> list[Report]:
    """Check recorded answers."""
    session = botocore.session.get_session()
    return [
        check_answer(
            session.get_service_model(answer["service"]).operation_model(answer["operation"]),
            answer["status"],
            answer["body"],
        )
        for answer in answers
    ]


def main(arguments: list[str]) -> int:
    """Run the command line.

    Returns:
        0 if all answers conform, 1 if not, 2 if the arguments are wrong.
    """
    match arguments:
        case ["drive", endpoint, group_name]:
            reports = drive(endpoint, group_name)
        case ["validate"]:
            reports = validate(json.load(sys.stdin))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    print(json.dumps([asdict(report) for report in reports]))
    return 1 if any(report.problems for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
