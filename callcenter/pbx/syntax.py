"""Reads Asterisk's configuration as Asterisk does, so that a mistake is found before the files are put in place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from callcenter.errors import Misconfigured

LONGEST_LINE = 4096
"""Asterisk cuts a line off at 8 kB without a word; we stay well below."""
_SECTION = re.compile(r"\[(?P<name>[^\[\]()]+)\](?:\((?P<options>[A-Za-z0-9_.+!,\-]*)\))?")
_ENTRY = re.compile(r"(?P<key>[^=\[\];]+?)\s*(?:=>|=)\s*(?P<value>.*)")


@dataclass(frozen=True, slots=True)
class Entry:
    line: int
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """One ``[name](options)`` and its settings, in order."""

    line: int
    name: str
    options: tuple[str, ...]
    entries: tuple[Entry, ...] = field(default=())

    @property
    def is_template(self) -> bool:
        return "!" in self.options

    def values(self, key: str) -> tuple[str, ...]:
        return tuple(entry.value for entry in self.entries if entry.key == key)

    def value(self, key: str) -> str | None:
        found = self.values(key)
        return found[-1] if found else None


def parse(name: str, text: str) -> tuple[Section, ...]:
    """The sections of a file; raises ``Misconfigured`` with every line that Asterisk would not understand."""
    sections: list[Section] = []
    entries: list[Entry] = []
    trouble: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        trouble.extend(f"{name}:{number}: {what}" for what in _forbidden(raw))
        line = _without_comment(raw).strip()
        if not line:
            continue
        if (section := _SECTION.fullmatch(line)) is not None:
            _close(sections, entries)
            options = tuple(filter(None, (section["options"] or "").split(",")))
            sections.append(Section(number, section["name"], options))
        elif (entry := _ENTRY.fullmatch(line)) is None:
            trouble.append(f"{name}:{number}: {line!r} is neither a section nor a setting")
        elif not sections:
            trouble.append(f"{name}:{number}: {line!r} stands before the first section")
        else:
            entries.append(Entry(number, entry["key"].strip(), entry["value"].strip()))
    _close(sections, entries)
    trouble.extend(f"{name}: {what}" for what in _templates(sections))
    if trouble:
        raise Misconfigured("\n".join(trouble))
    return tuple(sections)


def check_files(files: Mapping[str, str]) -> dict[str, tuple[Section, ...]]:
    """Parses every file and holds them against each other; raises ``Misconfigured`` with every mistake."""
    parsed: dict[str, tuple[Section, ...]] = {}
    trouble: list[str] = []
    for name, text in files.items():
        try:
            parsed[name] = parse(name, text)
        except Misconfigured as exc:
            trouble.append(str(exc))
    if not trouble:
        trouble.extend(_across(parsed))
    if trouble:
        raise Misconfigured("\n".join(trouble))
    return parsed


def pjsip_objects(sections: tuple[Section, ...]) -> dict[tuple[str, str], Section]:
    """PJSIP's objects by type and name; the type may come from a template."""
    templates = {section.name: section for section in sections if section.is_template}
    found = {}
    for section in sections:
        if section.is_template:
            continue
        inherited = [templates[o].value("type") for o in section.options if o in templates]
        kind = section.value("type") or next(filter(None, inherited), "")
        found[kind or "", section.name] = section
    return found


def _across(parsed: Mapping[str, tuple[Section, ...]]) -> Iterator[str]:
    sections = parsed.get("pjsip.conf", ())
    objects = pjsip_objects(sections)
    pages = {each.name for each in sections if each.is_template and each.value("webrtc") == "yes"}
    for (kind, name), section in objects.items():
        if not kind:
            yield f"pjsip.conf:{section.line}: [{name}] has no type"
        for key, wanted in (("auth", "auth"), ("aors", "aor"), ("endpoint", "endpoint")):
            for value in section.values(key):
                elsewhere = wanted == "auth" and pages.intersection(
                    section.options
                )  # in AstDB, while they are signed in
                if (wanted, value) not in objects and not elsewhere:
                    yield f"pjsip.conf:{section.line}: [{name}] names the {wanted} {value}, which is not there"
    for queue in parsed.get("queues.conf", ()):
        for member in queue.values("member"):
            interface = member.split(",")[0].removeprefix("PJSIP/")
            if ("endpoint", interface) not in objects:
                yield f"queues.conf:{queue.line}: [{queue.name}] has the member {interface}, which is not there"


def _templates(sections: list[Section]) -> Iterator[str]:
    known: set[str] = set()
    for section in sections:
        for option in section.options:
            if option not in {"!", "+"} and option not in known:
                yield f"line {section.line}: the template {option} is not there"
        if section.is_template:
            known.add(section.name)


def _close(sections: list[Section], entries: list[Entry]) -> None:
    if sections and entries:
        last = sections[-1]
        sections[-1] = Section(last.line, last.name, last.options, tuple(entries))
        entries.clear()


def _forbidden(line: str) -> Iterator[str]:
    if len(line.encode()) > LONGEST_LINE:
        yield f"the line is longer than {LONGEST_LINE} bytes"
    for character in line:
        if (not character.isprintable() and character != "\t") or character in "\u2028\u2029":
            yield f"holds the control character {character!r}"
            return


def _without_comment(line: str) -> str:
    """Up to the first ``;`` that is not escaped; ``;--`` would begin a comment of many lines, which we never write."""
    kept = []
    for position, character in enumerate(line):
        if character == ";" and (position == 0 or line[position - 1] != "\\"):
            break
        kept.append(character)
    return "".join(kept).replace("\\;", ";")
