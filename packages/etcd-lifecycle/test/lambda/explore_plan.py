"""Explores every view of a cluster of some size, and every run from it, and prints how many.

    python explore_plan.py --members 4 [--desired 3 5] [--runs]

Takes minutes from 4 members on, which is why the tests go up to 3.
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parents[1] / "lambda"),
    str(HERE.parents[2] / "python-retry" / "python"),
]

from cluster_rules import violations  # noqa: E402 -- the path comes first
from cluster_states import WITHOUT_MEMBER, views  # noqa: E402
from cluster_views import NOW, POLICY  # noqa: E402
from cluster_world import RuleBrokenError, World, needs_nobody, run  # noqa: E402
from etcd_lifecycle.plan import plan  # noqa: E402


def decisions(members: int, desired: list[int]) -> tuple[int, list[str]]:
    """Decide on every view; how many there are, and what was wrong."""
    count, wrong = 0, []
    for seen in views(members, desired=desired, extras=WITHOUT_MEMBER, waits=(0, 1e6)):
        count += 1
        decision = plan(seen, POLICY, NOW)
        wrong += [f"{one}\n{decision}\n{seen}" for one in violations(seen, decision, POLICY)]
    return count, wrong


def runs(members: int, desired: list[int]) -> tuple[int, list[str]]:
    """Run from every view with a leader; how many there are, and what was wrong."""
    count, wrong = 0, []
    for seen in views(members, desired=desired, extras=((),), waits=(0,)):
        if seen.leader is None:
            continue
        count += 1
        world = World.of(seen)
        try:
            end = run(world)
        except RuleBrokenError as error:
            wrong.append(f"{error}\nfrom {seen}")
            continue
        if needs_nobody(world) and not end.reason.startswith("settled"):
            wrong.append(f"ends with {end}\nfrom {seen}")
    return count, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=3, help="how many members, learner included")
    parser.add_argument("--desired", type=int, nargs="+", help="what the group wants; all sizes")
    parser.add_argument("--runs", action="store_true", help="follow every view to its end too")
    options = parser.parse_args()
    desired = options.desired or list(range(options.members + 2))
    count, wrong = decisions(options.members, desired)
    print(f"{count} views of {options.members} members, {len(wrong)} broken rules")
    if options.runs:
        count, failed = runs(options.members, desired)
        print(f"{count} runs from {options.members} members, {len(failed)} without a good end")
        wrong += failed
    for one in wrong[:5]:
        print(f"\n{one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
