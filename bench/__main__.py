"""Every measurement of ``docs/benchmarks.md``, one after the other.

    python -m bench [NAME ...]

A bench is a module of its own with its own options: ``python -m bench.screen_pop --help``.
"""

from __future__ import annotations

import subprocess
import sys
import time

BENCHES = (
    "ami_events",
    "diag_card",
    "diagnoses",
    "journal",
    "page_day",
    "page_phones",
    "reports",
    "screen_pop",
    "storm",
    "sweep",
)


def main(chosen: list[str]) -> int:
    """Each runs in a process of its own, so that none inherits another's memory; gives how many failed."""
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        print(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    failed = 0
    for name in chosen or BENCHES:
        began = time.monotonic()
        print(f"\n## {name}\n", flush=True)
        failed += subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode != 0
        print(f"\n({name} took {time.monotonic() - began:.0f} s)", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
