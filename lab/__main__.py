"""``python -m lab``: the whole product on one machine, every part real. ``make lab`` and ``make demo`` are this."""

from __future__ import annotations

import argparse
import sys

from lab.standing import Site, ask, down, holder, read_env, up, where_to_look

CONTROLLED = """\
to a running lab:
  phone 101 never | answer SECONDS | busy | hangup-after SECONDS
  olt NAME cut PON | splice PON | power-loss ONU | power-back ONU | level ONU DBM
  olt NAME fault NAME|none | delay SECONDS | list
  call DID NUMBER|anonymous [SECONDS]
  service | asterisk | postgres  start | stop | kill | freeze | thaw
  ami cut | mend
"""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab",
        description=__doc__,
        epilog=CONTROLLED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    starts = commands.add_parser("up", help="start it in the background and say where to look")
    starts.add_argument("--keep", action="store_true", help="go on with the data of the last time")
    runs = commands.add_parser("run", help="the same in the foreground")
    runs.add_argument("--keep", action="store_true", help="go on with the data of the last time")
    commands.add_parser("down", help="stop it")
    commands.add_parser("status", help="whether it runs, and where to look")
    demo = commands.add_parser("demo", help="a lab with callers that keep calling")
    demo.add_argument("--once", action="store_true", help="make the calls, check every promise, end")
    for word in ("phone", "olt", "call", "service", "asterisk", "postgres", "ami"):
        commands.add_parser(word).add_argument("words", nargs=argparse.REMAINDER)
    asked = parser.parse_args(arguments)
    site = Site()
    match asked.command:
        case "up":
            return up(site, keep=asked.keep)
        case "down":
            return down(site)
        case "status":
            return _status(site)
        # The rest needs the house, which takes a second to load.
        case "run":
            from lab.keeping import run

            return run(site, keep=asked.keep)
        case "demo" if asked.once:
            from lab.once import once

            return once()
        case "demo":
            from lab.demo import demo as show

            return show(site)
        case word:
            return ask(site, [word, *asked.words])


def _status(site: Site) -> int:
    if holder(site) is None or not site.env.exists():
        print("no lab runs here: start it with `make lab`")
        return 1
    print(where_to_look(read_env(site.env), site.env))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read what we say has seen enough
        sys.stdout = None
        sys.exit(141)
