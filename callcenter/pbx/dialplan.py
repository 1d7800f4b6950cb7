"""The rendered dialplan as a value: what it does, where it goes, and every place it cannot go to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from callcenter.errors import Misconfigured
from callcenter.pbx.syntax import Section

_STEP = re.compile(r"(?P<priority>1|n)(?:\((?P<label>[a-z0-9-]+)\))?,(?P<app>[A-Za-z]+)\((?P<args>.*)\)")
_FUNCTION = re.compile(r"\$\{([A-Z][A-Z_]+)\(")
_SET_FUNCTION = re.compile(r"([A-Z][A-Z_]+)\(")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)[}:]")
_PAIRS = {")": "(", "]": "[", "}": "{"}

APPLICATIONS: Mapping[str, str] = {
    "Answer": "", "Goto": "", "GotoIf": "", "GotoIfTime": "", "Hangup": "", "NoOp": "", "Set": "",
    "CELGenUserEvent": "app_celgenuserevent", "Dial": "app_dial", "Gosub": "app_stack", "Return": "app_stack",
    "MixMonitor": "app_mixmonitor", "Playback": "app_playback", "Queue": "app_queue",
    "Bridge": "", "BridgeWait": "app_bridgewait", "ChanSpy": "app_chanspy", "ChannelRedirect": "app_channelredirect",
    "Echo": "app_echo", "UserEvent": "app_userevent", "Wait": "",
    "Playtones": "app_playtones", "StopPlaytones": "app_playtones",
    "AddQueueMember": "app_queue", "RemoveQueueMember": "app_queue",
    "PauseQueueMember": "app_queue", "UnpauseQueueMember": "app_queue",
}  # fmt: skip
"""Every application the dialplan may use, and the module it lives in ('' is the core). No System, no AGI."""
FUNCTIONS: Mapping[str, str] = {
    "CALLERID": "func_callerid", "CHANNEL": "func_channel", "CHANNELS": "func_channel", "CURL": "func_curl",
    "CURLOPT": "func_curl", "CUT": "func_cut", "DIALPLAN_EXISTS": "func_dialplan", "FILTER": "func_strings",
    "GROUP": "func_groupcount", "GROUP_COUNT": "func_groupcount", "IF": "func_logic", "REGEX": "func_strings",
    "PJSIP_HEADER": "res_pjsip_header_funcs", "URIENCODE": "func_uri",
}  # fmt: skip
"""Every function, likewise. No SHELL, no ENV, no EVAL."""


@dataclass(frozen=True, slots=True)
class Step:
    line: int
    app: str
    args: str
    label: str


Extensions = Mapping[str, tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Dialplan:
    """Contexts, their extensions, their steps."""

    contexts: Mapping[str, Extensions]

    @property
    def steps(self) -> Iterator[Step]:
        for extensions in self.contexts.values():
            for steps in extensions.values():
                yield from steps

    @property
    def journal_events(self) -> frozenset[tuple[str, str]]:
        """Our own rows in the journal: name and value, as written."""
        found = (step.args.partition(",") for step in self.steps if step.app == "CELGenUserEvent")
        return frozenset((name, value) for name, _, value in found)

    @property
    def queues(self) -> frozenset[str]:
        return frozenset(step.args.split(",")[0] for step in self.steps if step.app == "Queue")

    @property
    def functions(self) -> frozenset[str]:
        return frozenset(name for step in self.steps for name in _functions(step.app, step.args))

    @property
    def variables(self) -> frozenset[str]:
        """Every variable that is read."""
        return frozenset(name for step in self.steps for name in _VARIABLE.findall(step.args))


def read_dialplan(sections: tuple[Section, ...]) -> Dialplan:
    """Reads a parsed ``extensions.conf``; raises ``Misconfigured`` with every step that could not be taken."""
    trouble: list[str] = []
    contexts: dict[str, dict[str, tuple[Step, ...]]] = {}
    for section in sections:
        if section.name not in {"general", "globals"}:
            if section.name in contexts:
                trouble.append(f"extensions.conf:{section.line}: the context {section.name} is there twice")
            contexts[section.name] = _extensions(section, trouble)
    dialplan = Dialplan(contexts)
    trouble.extend(_unreachable(dialplan))
    if trouble:
        raise Misconfigured("\n".join(trouble))
    return dialplan


def _extensions(section: Section, trouble: list[str]) -> dict[str, tuple[Step, ...]]:
    found: dict[str, tuple[Step, ...]] = {}
    extension = ""
    for entry in section.entries:
        at, rest = f"extensions.conf:{entry.line}", entry.value
        if entry.key == "exten":
            extension, _, rest = entry.value.partition(",")
            if extension in found:
                trouble.append(f"{at}: the extension {extension} is in [{section.name}] twice")
            found[extension] = ()
        elif entry.key != "same" or not extension:
            trouble.append(f"{at}: {entry.key!r} is not a step of an extension")
            continue
        step = _STEP.fullmatch(rest)
        if step is None or (step["priority"] == "1") != (not found[extension]):
            trouble.append(f"{at}: {rest!r} is not a step")
            continue
        if step["app"] not in APPLICATIONS:
            trouble.append(f"{at}: the application {step['app']} is not one of ours")
        trouble.extend(
            f"{at}: the function {name} is not one of ours"
            for name in _functions(step["app"], step["args"])
            if name not in FUNCTIONS
        )
        if not _is_balanced(step["args"]):
            trouble.append(f"{at}: brackets or quotes are not closed in {rest!r}")
        found[extension] += (Step(entry.line, step["app"], step["args"], step["label"] or ""),)
    return found


def _functions(app: str, args: str) -> Iterator[str]:
    yield from _FUNCTION.findall(args)
    if app == "Set" and (written := _SET_FUNCTION.match(args)) is not None:
        yield written[1]


def _unreachable(dialplan: Dialplan) -> Iterator[str]:
    """Every place a step goes to and that is not there; a place named by a variable cannot be told."""
    for context, extensions in dialplan.contexts.items():
        for extension, steps in extensions.items():
            for step in steps:
                for target in _targets(step):
                    if "$" not in target and not _is_there(dialplan, context, extension, target):
                        yield f"extensions.conf:{step.line}: {step.app} goes to {target}, which is not there"


def _targets(step: Step) -> Iterator[str]:
    if step.app in {"Goto", "Gosub"}:
        yield re.sub(r"\(.*\)$", "", step.args)
    elif step.app in {"GotoIf", "GotoIfTime"}:
        yield from filter(None, step.args.rpartition("?")[2].split(":"))


def _is_there(dialplan: Dialplan, context: str, extension: str, target: str) -> bool:
    parts = target.split(",")
    place = [context, extension, "1"][: 3 - len(parts)] + parts
    steps = dialplan.contexts.get(place[0], {}).get(place[1], ())
    return place[2] in {"1", *(step.label for step in steps if step.label)} and bool(steps)


def _is_balanced(text: str) -> bool:
    open_ones: list[str] = []
    for character in re.sub(r'"\^[^"]*\$"', "", text):  # a regular expression has brackets of its own
        if character in _PAIRS.values():
            open_ones.append(character)
        elif character in _PAIRS and (not open_ones or open_ones.pop() != _PAIRS[character]):
            return False
    return not open_ones and text.count('"') % 2 == 0
