"""Explores every state of a cluster of some sizes to its end, and prints how many there are.

    python explore_plan.py --members 5 [--rare 3] [--undone 3] [--desired 3 5] [--processes 2]
        [--own-join]

`cluster_graph` tells what a state is and what is asked of each. One process explores one number of
instances that the group wants; the slowest come first.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE),
    str(HERE.parents[1] / "lambda"),
    str(HERE.parents[2] / "python-retry" / "python"),
]

from cluster_graph import ALONE, LAUNCHES, OWN_JOIN, Exploration, Place, starts  # noqa: E402
from cluster_views import POLICY  # noqa: E402

FEW = {4: ((), (Place(None, LAUNCHES),)), 5: ((),)}
"""Instances without members beside the most members; with fewer there is every kind of them."""


def explore(task: tuple[int, bool, int, int, int, bool | None]) -> tuple[Exploration, int, float]:
    """Explore everything for one number of wanted instances; the explorer, starts and seconds.

    The last part of a task tells whether the instances' own tooling works; None: they have none.
    """
    desired, launches, members, rare, undone, tooling = task
    begun = time.monotonic()
    policy = POLICY if tooling is None else OWN_JOIN
    exploration = Exploration(
        desired, launches, policy, tooling=tooling is not False, undone=undone
    )
    count = 0
    for size in range(1, members + 1):
        kinds = [(False, FEW.get(size, ALONE) if size == members else ALONE)]
        if size <= rare:
            kinds.append((True, ALONE))
        for with_rare, alone in kinds:
            for state in starts(size, rare=with_rare, alone=alone):
                count += 1
                exploration.follow(state)
    exploration.finish()
    return exploration, count, time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=3, help="how many members, learner included")
    parser.add_argument(
        "--rare",
        type=int,
        default=0,
        help="up to how many, some are far behind, are interrupted or get new roots",
    )
    parser.add_argument(
        "--undone",
        type=int,
        default=3,
        help="up to how many, something else may happen after an action that was not done",
    )
    parser.add_argument("--desired", type=int, nargs="+", help="what the group wants; 0 to 5")
    parser.add_argument(
        "--own-join", action="store_true", help="instances bring their own members in"
    )
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many at a time")
    options = parser.parse_args()
    desired = options.desired or list(range(6))
    tooling = True if options.own_join else None
    tasks = [
        (one, True, options.members, options.rare, options.undone, tooling)
        for one in sorted(desired, reverse=True)
    ]
    # That the group launches nothing, or the tooling hangs, is tried with fewer members.
    fewer = (min(options.members, 3), min(options.rare, 2), min(options.undone, 3))
    tasks += [(one, False, *fewer, tooling) for one in desired]
    if options.own_join:
        tasks += [(one, True, *fewer, False) for one in desired]
    states, wrong, ends, actions, late = 0, [], Counter(), Counter(), 0
    with multiprocessing.Pool(options.processes) as pool:
        for found, count, seconds in pool.imap_unordered(explore, tasks):
            print(
                f"desired {found.desired}, {'launching' if found.launches else 'without launches'}"
                f"{'' if found.tooling else ', tooling hangs'}: "
                f"{count} starts, {found.count} states, {dict(found.totals)}, {seconds:.0f} s",
                flush=True,
            )
            states += found.count
            ends += found.totals
            actions += found.actions
            late += found.late
            wrong += found.wrong
    print(f"{states} states in all, each decided on and followed to its end: {dict(ends)}")
    print(f"{late} changes applied late; decisions: {dict(actions)}")
    print(f"{len(wrong)} broken rules and properties")
    for one in wrong[:5]:
        print(f"\n{one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
