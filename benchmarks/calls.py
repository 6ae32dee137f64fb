"""Python calls and messages of each process role for one frame, held against the table that a test holds them against.

    python -m benchmarks.calls            # prints them beside the table
    python -m benchmarks.calls --update   # writes the table anew, after a change that was meant

The calls are those of the package's own functions: the same on every machine. `--functions` names each of them.
"""

from __future__ import annotations

import argparse

from support import frame_costs


def main() -> None:
    """Counts, then prints or writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write the table anew")
    parser.add_argument("--functions", action="store_true", help="the calls of each function, too")
    arguments = parser.parse_args()
    now = frame_costs.measured()
    before = frame_costs.kept() if frame_costs.KEPT.exists() else {}
    for role, cost in now.items():
        was = before.get(role)
        beside = f"   (table: {was.calls} and {was.messages})" if was is not None else ""
        print(f"{role:32} {cost.calls:8} calls {cost.messages:8} messages{beside}")
        for name, calls in cost.functions.items() if arguments.functions else ():
            print(f"    {name:60} {calls}")
    if arguments.update:
        frame_costs.keep(now)


if __name__ == "__main__":
    main()
