"""What every driver's command line owes: a tape for each question, its commands as documented, hostile text endured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callcenter.diag.driver import CliQuestion, CliWrite, OltDriver, SnmpWrite
from callcenter.diag.drivers import ALL, DRIVERS
from callcenter.diag.reading import LineDetails, OnuReading, OnuState, PortReading
from callcenter.diag.switch import PortQuestion, SwitchDriver
from callcenter.words import OnuAddress
from tests.shapes import known

TAPES = Path(__file__).parent.parent / "tapes" / "cli"
Driver: TypeAlias = OltDriver | SwitchDriver
Question: TypeAlias = CliQuestion | PortQuestion
SPOKEN = [driver for driver in ALL.values() if driver.questions_cli]
every_spoken = pytest.mark.parametrize("driver", SPOKEN, ids=lambda driver: driver.name)
READS = re.compile(r"show |display |enable$|config|configure terminal|interface |onu |exit$|quit$|end$", re.IGNORECASE)
"""What a question may send: it looks, and steps into a mode and out again."""


@dataclass(frozen=True)
class Tape:
    driver: Driver
    question: Question
    line: str
    state: OnuState
    commands: tuple[str, ...]
    outputs: tuple[str, ...]
    details: dict[str, Any]


def tapes() -> Iterator[Any]:
    for path in sorted(TAPES.glob("*/*.json")):
        yield pytest.param(path, id=f"{path.parent.name}-{path.stem}")


def load(path: Path) -> Tape:
    about = json.loads(path.read_text())
    driver = ALL[path.parent.name]
    [question] = [each for each in driver.questions_cli if each.about == path.stem.split("-")[0]]
    parts = re.split(r"^>>> (.*)\n", path.with_suffix(".txt").read_text(), flags=re.MULTILINE)
    state = OnuState(about.get("state", "online"))
    return Tape(driver, question, about["line"], state, tuple(parts[1::2]), tuple(parts[2::2]), about["details"])


def commands(tape_or: Question, line: str, state: OnuState) -> tuple[str, ...]:
    if isinstance(tape_or, CliQuestion):
        return tape_or.commands(OnuAddress.parse(line), OnuReading(state))
    return tape_or.commands(line)


def parse(question: Question, outputs: tuple[str, ...], line: str) -> LineDetails | PortReading:
    if isinstance(question, CliQuestion):
        return question.parse(outputs, OnuAddress.parse(line))
    return question.parse(outputs, line)


@pytest.mark.parametrize("path", list(tapes()))
def test_a_tape_is_asked_and_read_as_documented(path: Path) -> None:
    tape = load(path)
    assert commands(tape.question, tape.line, tape.state) == tape.commands
    told = known(parse(tape.question, tape.outputs, tape.line))
    if isinstance(tape.question, PortQuestion):
        told = {name: value for name, value in told.items() if name not in {"name", "absent"}}
    assert told == tape.details


@every_spoken
def test_each_question_has_a_tape(driver: Driver) -> None:
    taped = {path.stem.split("-")[0] for path in (TAPES / driver.name).glob("*.json")}
    assert taped == {question.about for question in driver.questions_cli}


@every_spoken
def test_questions_only_look_and_leave_every_mode_they_enter(driver: Driver) -> None:
    assert driver.dialect is not None
    for question in driver.questions_cli:
        sent = [commands(question, line, state) for line in a_line(driver) for state in OnuState]
        for command in {each for one in sent for each in one}:
            assert READS.match(command), command
            assert command.isprintable()
            assert not any(re.search(refused, command) for refused in driver.dialect.forbidden)
        for one in sent:
            entered = sum(not re.match(r"show |display |exit|quit|end", each) for each in one)
            left = sum(each in {"exit", "quit"} for each in one) + (entered if "end" in one else 0)
            assert entered == left, one


@every_spoken
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])  # its tables of letters, once a machine
@given(data=st.data())
def test_no_output_breaks_a_parser(driver: Driver, data: st.DataObject) -> None:
    question = driver.questions_cli[data.draw(st.integers(0, len(driver.questions_cli) - 1))]
    [line] = a_line(driver)
    asked = commands(question, line, OnuState.ONLINE)
    real = [load(path).outputs for path in (TAPES / driver.name).glob(f"{question.about}-*.json")]
    pieces = st.sampled_from(
        [*(text for outputs in real for text in outputs), line, str(line).lower(), "", "\x1b[2J", "٣"]
    )
    text = st.lists(st.one_of(st.text(max_size=80), pieces), max_size=4).map("".join)
    outputs = tuple(data.draw(text) for _ in range(data.draw(st.integers(0, len(asked) + 1))))
    told = parse(question, outputs, line)
    for name in ("onu_rx", "onu_tx", "olt_rx", "sfp_rx", "sfp_tx"):
        assert (dbm := getattr(told, name, None)) is None or -40 < dbm < 15
    for row in told.macs or ():
        assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", row.mac)
        assert row.vlan is None or 1 <= row.vlan <= 4094
    json.dumps(known(told))


@every_spoken
def test_a_cut_off_output_tells_less_never_something_else(driver: Driver) -> None:
    """A session that breaks in the middle of an output: what is told of levels and reasons was in the whole one too."""
    for path in (TAPES / driver.name).glob("*.json"):
        tape = load(path)
        whole = parse(tape.question, tape.outputs, tape.line)
        for cut in range(0, len(tape.outputs[-1]), 7):
            told = parse(tape.question, (*tape.outputs[:-1], tape.outputs[-1][:cut]), tape.line)
            assert len(told.macs or ()) <= len(whole.macs or ())


def a_line(driver: Driver) -> list[str]:
    path = sorted((TAPES / driver.name).glob("*.json"))[0]
    return [str(json.loads(path.read_text())["line"])]


@pytest.mark.parametrize("driver", list(DRIVERS.values()), ids=lambda driver: driver.name)
def test_writes_are_never_among_reads(driver: OltDriver) -> None:
    """What changes a device is sent only by somebody's order: no reading column is a written one that acts."""
    read = {column for part in (*driver.reads, *driver.details) for column in part.columns.values()}
    onu = a_place(driver)
    for kind, write in driver.writes.items():
        match write:
            case SnmpWrite(column):
                assert kind == "describe" or column not in read
            case CliWrite(make):
                sent = make(onu, {"vlan": "100", "describe": "flat 7", "reboot": ""}[kind])
                asked = {each for q in driver.questions_cli for each in q.commands(onu, OnuReading(OnuState.ONLINE))}
                acts = [each for each in sent if not re.match(r"interface |onu |exit|quit", each)]
                assert acts
                assert not set(acts) & asked
                assert driver.dialect is not None
                assert not any(re.search(refused, each) for each in sent for refused in driver.dialect.forbidden)


@pytest.mark.parametrize("words", ["a\nreboot", "a\rreboot", "a\x1b[A", "a\0b", "x" * 300, "a?b", 'a"b', "a!b", "a;b"])
@pytest.mark.parametrize("driver", list(DRIVERS.values()), ids=lambda driver: driver.name)
def test_a_description_never_becomes_another_command(driver: OltDriver, words: str) -> None:
    write = driver.writes.get("describe")
    if write is None:
        return
    try:
        sent = write.commands(a_place(driver), words) if isinstance(write, CliWrite) else (write.value(words),)
    except ValueError:
        return
    for each in sent:
        text = each.decode() if isinstance(each, bytes) else str(each)
        assert text.isprintable()
        assert len(text) < 200
        assert isinstance(write, SnmpWrite) or not set(text) & set('?!;|"')


@pytest.mark.parametrize("vlan", ["0", "4095", "-1", "100; reboot", "1e2", "", "ten", "١٠٠"])
@pytest.mark.parametrize("driver", list(DRIVERS.values()), ids=lambda driver: driver.name)
def test_a_vlan_is_a_number_that_vlans_have(driver: OltDriver, vlan: str) -> None:
    write = driver.writes.get("vlan")
    if write is None:
        return
    with pytest.raises(ValueError, match="VLAN"):
        write.commands(a_place(driver), vlan) if isinstance(write, CliWrite) else write.value(vlan)


def a_place(driver: OltDriver) -> OnuAddress:
    path = Path(__file__).parent.parent / "tapes" / "olt" / driver.name / "expected.json"
    return OnuAddress.parse(next(iter(json.loads(path.read_text()))).split(": ")[1])
