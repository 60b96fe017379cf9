"""The Auto Scaling group: its instances, and the lifecycle actions that hold them.

Lifecycle actions are named by group, hook and instance rather than by the token in an event: events
are sent on a best-effort basis, so that there may be none. At most one action is active for a hook
and an instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import ClientError

from .aws import error_code
from .model import HookResult, Instance, Transition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_autoscaling import AutoScalingClient
    from mypy_boto3_ec2 import EC2Client

    from .dependency import Dependency

_FILTER_VALUES: Final = 200  # the most that a filter of DescribeInstances takes
_ENDED: Final = frozenset({"Terminated", "Detached", "Warmed:Terminated"})
_GONE: Final = ("no active lifecycle action", "no managed instance found")


class GroupNotFoundError(Exception):
    """The account has no Auto Scaling group of that name in this Region."""


class GroupDescription(NamedTuple):
    """What a group wants and has.

    Attributes:
        desired: How many instances it wants.
        instances: Those that it has and that have not ended, with those of its warm pool.
        retains: Whether it keeps an instance whose terminate hook is abandoned.
    """

    desired: int
    instances: tuple[Instance, ...]
    retains: bool = False


class AutoScalingGroup:
    """One Auto Scaling group with its lifecycle hooks."""

    def __init__(
        self,
        name: str,
        hooks: Mapping[Transition, str],
        clients: tuple[AutoScalingClient, EC2Client],
        dependencies: tuple[Dependency, Dependency],
    ) -> None:
        """Make a group; nothing is called yet.

        Args:
            name: The name of the group.
            hooks: The name of the hook for each transition that has one; that of terminations must.
            clients: The clients of Auto Scaling and EC2.
            dependencies: The dependencies of Auto Scaling and EC2.

        Raises:
            ValueError: No hook holds terminating instances.
        """
        if not hooks.get(Transition.TERMINATING):
            raise ValueError(f"name the lifecycle hook for {Transition.TERMINATING.value}")
        self.name = name
        self._hooks = dict(hooks)
        self._autoscaling, self._ec2 = clients
        self._autoscaling_dependency, self._ec2_dependency = dependencies
        self._addresses: dict[str, str] = {}

    def describe(self) -> GroupDescription:
        """Ask Auto Scaling for the instances, and EC2 for their addresses.

        An instance that EC2 does not know (yet, or any more) has no address.

        Raises:
            GroupNotFoundError: There is no such group.
            CircuitOpenError: The breaker refused a call.
            botocore.exceptions.ClientError: Any other answer.
        """
        answer = self._autoscaling_dependency.call(
            lambda: self._autoscaling.describe_auto_scaling_groups(
                AutoScalingGroupNames=[self.name]
            ),
            "DescribeAutoScalingGroups",
        )
        groups = answer["AutoScalingGroups"]
        if not groups:
            raise GroupNotFoundError(
                f"there is no Auto Scaling group {self.name!r} in the Region "
                f"{self._autoscaling.meta.region_name}: was it deleted, or renamed?"
            )
        group = groups[0]
        states: dict[str, tuple[str, str]] = {
            one["InstanceId"]: (one["LifecycleState"], one["AvailabilityZone"])
            for one in group.get("Instances", [])
        }
        if "WarmPoolConfiguration" in group:
            states = {**self._warm_pool(), **states}
        states = {key: one for key, one in states.items() if one[0] not in _ENDED}
        addresses = self._addresses_of(states)
        triggers = group.get("InstanceLifecyclePolicy", {}).get("RetentionTriggers", {})
        return GroupDescription(
            group["DesiredCapacity"],
            tuple(
                Instance(instance_id, state, addresses.get(instance_id), zone)
                for instance_id, (state, zone) in states.items()
            ),
            triggers.get("TerminateHookAbandon") == "retain",
        )

    def heartbeat(self, instance_id: str, transition: Transition) -> bool:
        """Restart the time-out of the lifecycle action that holds an instance.

        Never stopped by a breaker; a throttled one is tried again.

        Returns:
            False when the action is known to be gone: completed, timed out, or never there, as where
            we have no hook for it.

        Raises:
            botocore.exceptions.ClientError: Any other answer, after which the action may be there.
        """
        hook = self._hooks.get(transition)
        return hook is not None and self._unless_gone(
            lambda: self._autoscaling_dependency.call_without_breaker(
                lambda: self._autoscaling.record_lifecycle_action_heartbeat(
                    AutoScalingGroupName=self.name,
                    LifecycleHookName=hook,
                    InstanceId=instance_id,
                ),
                "RecordLifecycleActionHeartbeat",
            )
        )

    def complete(self, instance_id: str, transition: Transition, result: HookResult) -> bool:
        """Complete the lifecycle action that holds an instance.

        Returns:
            False when the action was gone already, perhaps by an earlier attempt whose answer was
            lost.

        Raises:
            CircuitOpenError: The breaker refused the call.
            botocore.exceptions.ClientError: Any other answer.
        """
        hook = self._hooks.get(transition)
        return hook is not None and self._unless_gone(
            lambda: self._autoscaling_dependency.call(
                lambda: self._autoscaling.complete_lifecycle_action(
                    AutoScalingGroupName=self.name,
                    LifecycleHookName=hook,
                    InstanceId=instance_id,
                    LifecycleActionResult=result.value,
                ),
                "CompleteLifecycleAction",
            )
        )

    def terminate_retained(self, instance_id: str) -> bool:
        """Terminate an instance that the group retains, which no longer counts for its capacity.

        Returns:
            False when it was gone already.

        Raises:
            CircuitOpenError: The breaker refused the call.
            botocore.exceptions.ClientError: Any other answer.
        """
        return self._unless_gone(
            lambda: self._autoscaling_dependency.call(
                lambda: self._autoscaling.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance_id, ShouldDecrementDesiredCapacity=False
                ),
                "TerminateInstanceInAutoScalingGroup",
            )
        )

    def _warm_pool(self) -> dict[str, tuple[str, str]]:
        """State and zone of the warm pool's instances: the description of the group lacks them."""
        pages = self._autoscaling.get_paginator("describe_warm_pool")
        answers = self._autoscaling_dependency.call(
            lambda: list(pages.paginate(AutoScalingGroupName=self.name)), "DescribeWarmPool"
        )
        return {
            one["InstanceId"]: (one["LifecycleState"], one["AvailabilityZone"])
            for answer in answers
            for one in answer["Instances"]
        }

    def _addresses_of(self, instance_ids: Iterable[str]) -> Mapping[str, str]:
        """The private address of each instance that has one.

        An instance keeps the address that it was launched with until it ends, so that EC2 is asked for
        those only that are new.
        """
        wanted = list(instance_ids)
        known = {one: self._addresses[one] for one in wanted if one in self._addresses}
        unknown = [one for one in wanted if one not in known]
        # Those that have ended are forgotten.
        self._addresses = known
        for start in range(0, len(unknown), _FILTER_VALUES):
            known.update(self._ask_for_addresses(unknown[start : start + _FILTER_VALUES]))
        return known

    def _ask_for_addresses(self, instance_ids: list[str]) -> Iterable[tuple[str, str]]:
        """The instances that have an address, with it.

        Asked for with a filter: named as `InstanceIds`, one unknown id would fail the whole call.
        """
        pages = self._ec2.get_paginator("describe_instances")
        answers = self._ec2_dependency.call(
            lambda: list(pages.paginate(Filters=[{"Name": "instance-id", "Values": instance_ids}])),
            "DescribeInstances",
        )
        return [
            (instance["InstanceId"], instance["PrivateIpAddress"])
            for answer in answers
            for reservation in answer["Reservations"]
            for instance in reservation["Instances"]
            if instance.get("PrivateIpAddress")
        ]

    @staticmethod
    def _unless_gone(call: Callable[[], object]) -> bool:
        try:
            call()
        except ClientError as error:
            told = str(error).lower()
            # A ValidationError may also say that there is no such group.
            if error_code(error) == "ValidationError" and any(sign in told for sign in _GONE):
                return False
            raise
        return True
