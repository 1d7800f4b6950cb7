"""When many dark lines are one outage: a table that an ISP's engineer can read and extend, and the laws behind it.

A port is drawn as its ONUs in order: ``.`` online, ``F`` dark by fibre, ``P`` dark by power, ``?`` dark without a
reason, ``x`` dark since long ago, each since another time, ``-`` never seen online, ``a`` switched off by the operator.
All were looked at at 13:58 and at 14:02:30; who is dark went dark in between, unless the case says otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.diag.mass import SILENT, MassOutage, broadest, find, find_area, silent_olt
from callcenter.diag.mass_rule import MassRule
from callcenter.diag.norms import norms_in_force
from callcenter.diag.reading import DownReason, OnuReading, OnuState
from callcenter.diag.sight import Look, Seen, Sight, look_of, seen_of
from callcenter.errors import Misconfigured
from callcenter.words import DeviceId, OnuAddress

BEFORE = datetime(2026, 3, 10, 13, 58, tzinfo=UTC)
LOOKED = datetime(2026, 3, 10, 14, 2, 30, tzinfo=UTC)
NOW = LOOKED + timedelta(seconds=1)
OLT, OTHER, THIRD = DeviceId(1), DeviceId(2), DeviceId(3)
RULE = MassRule()
REASONS = {"F": DownReason.FIBRE, "P": DownReason.POWER, "?": DownReason.UNKNOWN}


def minutes(many: float) -> timedelta:
    return timedelta(minutes=many)


def one(drawn: str, number: int = 0) -> Seen:
    match drawn:
        case ".":
            return seen_of([Look(BEFORE, Sight.LIT), Look(LOOKED, Sight.LIT)])
        case "x":
            gone = BEFORE - minutes(240 + 30 * number)
            return seen_of([Look(gone - minutes(5), Sight.LIT), Look(gone, Sight.DARK), Look(LOOKED, Sight.DARK)])
        case "-":
            return seen_of([Look(BEFORE, Sight.DARK), Look(LOOKED, Sight.DARK)])
        case "a":
            return seen_of([Look(BEFORE, Sight.LIT), Look(LOOKED, Sight.OUT)])
        case _:
            return seen_of([Look(BEFORE, Sight.LIT), Look(LOOKED, Sight.DARK, REASONS[drawn])])


def onu(pon: int, number: int) -> OnuAddress:
    return OnuAddress("epon", (0, pon), number)


def plant(*ports: str) -> dict[OnuAddress, Seen]:
    return {
        onu(pon, number): one(drawn, number)
        for pon, port in enumerate(ports, 1)
        for number, drawn in enumerate(port.replace(" ", ""), 1)
    }


def told(outages: list[MassOutage]) -> list[str]:
    return [f"{each.scope} {each.place}".strip() + f" {len(each.dark)}/{each.total} {each.reason}" for each in outages]


CASES: list[tuple[str, tuple[str, ...], list[str]]] = [
    ("all is well", ("........", "........"), []),
    ("one subscriber without power", (".......P", "........"), []),
    ("two of three: too few to tell", ("..................PP",), []),
    ("two ONUs are the whole port: still too few", ("FF",), []),
    ("three of three: the trunk", ("FFF", "......"), ["pon EPON0/1 3/3 fibre"]),
    ("three of seven: less than half", ("FFF....",), []),
    ("three of six: half is enough", ("FFF...",), ["pon EPON0/1 3/6 fibre"]),
    ("43 of 48, and another port is well", ("F" * 43 + "." * 5, "." * 20), ["pon EPON0/1 43/48 fibre"]),
    ("those dark since long ago do not count at all", ("xxxxxxFFF",), ["pon EPON0/1 3/3 fibre"]),
    ("nor make an outage by themselves", ("xxxxxxxxx",), []),
    ("those nobody ever saw online do not count", ("------F.",), []),
    ("nor those the operator switched off", ("aaaaaa..",), []),
    ("nor among all of them", ("aaaaaaPPP.",), ["pon EPON0/1 3/4 power"]),
    ("power: every ONU gasped", ("PPPPP.",), ["pon EPON0/1 5/6 power"]),
    ("power, some cannot gasp and say fibre", ("PPPPFF.",), ["pon EPON0/1 6/7 power"]),
    ("as many say this as that: no fibre cut makes an ONU gasp", ("PPPFFF",), ["pon EPON0/1 6/6 power"]),
    ("an OLT that tells no reasons", ("????.",), ["pon EPON0/1 4/5 unknown"]),
    ("those without a reason do not outvote the others", ("???P",), ["pon EPON0/1 4/4 power"]),
    ("two ports of three", ("FFFF", "FFF.", "...."), ["pon EPON0/1 4/4 fibre", "pon EPON0/2 3/4 fibre"]),
    ("every port: the OLT, its uplink or the whole sheath", ("FFFF", "FFF.", "FF.F"), ["olt 10/12 fibre"]),
    ("every port but one where nobody was online", ("FFFF", "FFF.", "xxxx"), ["olt 7/8 fibre"]),
    ("one small port on a battery does not save the OLT", ("FFFF", "FFFF", "."), ["olt 8/9 fibre"]),
    ("small ports together", ("FF", "FF"), ["olt 4/4 fibre"]),
    ("an OLT with one port has an outage of that port", ("FFFFFF",), ["pon EPON0/1 6/6 fibre"]),
]  # fmt: skip


@pytest.mark.parametrize(("_title", "ports", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_is_a_mass_outage(_title: str, ports: tuple[str, ...], expected: list[str]) -> None:
    assert told(find(NOW, OLT, plant(*ports), RULE)) == expected


def test_what_is_said_of_it() -> None:
    [outage] = find(NOW, OLT, plant("P" * 30 + "F" * 13 + "....."), RULE)
    assert outage.reasons == ((DownReason.POWER, 30), (DownReason.FIBRE, 13))
    assert outage.mixed
    assert not outage.whole
    assert outage.since == LOOKED
    [trunk] = find(NOW, OLT, plant("FFFF"), RULE)
    assert trunk.whole
    assert not trunk.mixed


def test_whose_line_is_concerned() -> None:
    [port] = find(NOW, OLT, plant("FFFF", "...."), RULE)
    assert port.concerns(OLT, onu(1, 99))
    assert not port.concerns(OLT, onu(2, 1))
    assert not port.concerns(OTHER, onu(1, 1))
    [silent] = silent_olt(OLT, 3, BEFORE, 100, RULE)
    assert silent.concerns(OLT, onu(7, 7))
    assert not silent.concerns(OTHER, onu(7, 7))


# --- time ----------------------------------------------------------------------------------------------------------


def went_dark(at: datetime, *, exact: bool = True, number: int = 1) -> tuple[OnuAddress, Seen]:
    dark = Look(at + minutes(0 if not exact else 1), Sight.DARK, DownReason.FIBRE, at if exact else None)
    return onu(1, number), seen_of([Look(at - minutes(4), Sight.LIT), dark])


@pytest.mark.parametrize(
    ("seconds", "together"),
    [([0, 1, 2], True), ([0, 60, 119], True), ([0, 60, 120], True), ([0, 60, 121], False), ([0, 300, 600], False)],
)
def test_together_means_within_two_minutes_where_the_moments_are_known(seconds: list[int], *, together: bool) -> None:
    seen = dict(went_dark(BEFORE + timedelta(seconds=each), number=at) for at, each in enumerate(seconds))
    assert bool(find(NOW, OLT, seen, RULE)) is together


def test_those_that_may_have_gone_dark_together_did() -> None:
    """Between two sweeps nobody knows the moment: one is seen dark by a call at 13:59, the others by the sweep."""
    early = onu(1, 9), seen_of([Look(BEFORE - minutes(1), Sight.LIT), Look(BEFORE + minutes(1), Sight.DARK)])
    [outage] = find(NOW, OLT, plant("FF.") | dict([early]), RULE)
    assert (len(outage.dark), outage.since) == (3, BEFORE + minutes(1))


def test_lines_that_went_dark_at_different_times_are_no_outage_together() -> None:
    seen = {}
    for number in range(6):
        at = BEFORE - minutes(30 * number)
        seen[onu(1, number)] = seen_of([Look(at - minutes(5), Sight.LIT), Look(at, Sight.DARK, DownReason.POWER)])
    assert find(NOW, OLT, seen, RULE) == []


def test_an_earlier_larger_loss_does_not_hide_the_outage_of_those_left() -> None:
    """Ten of 21 lost power in the morning, less than half; at two nine of the eleven left are cut."""
    morning = BEFORE - minutes(360)
    seen = {
        onu(1, 50 + number): seen_of([Look(morning - minutes(5), Sight.LIT), Look(morning, Sight.DARK)])
        for number in range(10)
    }
    assert find(NOW, OLT, seen | plant("." * 11), RULE) == []
    assert told(find(NOW, OLT, seen | plant("FFFFFFFFF.."), RULE)) == ["pon EPON0/1 9/11 fibre"]


def test_an_outage_lasts_for_days_but_not_for_ever() -> None:
    [port] = find(NOW, OLT, plant("F" * 8 + ".."), RULE)
    days = NOW + timedelta(days=6)
    assert told(find(days, OLT, plant("F" * 8 + ".."), RULE, [port])) == ["pon EPON0/1 8/10 fibre"]
    assert find(NOW + timedelta(days=8), OLT, plant("F" * 8 + ".."), RULE, [port]) == []


def test_a_device_clock_that_cannot_be_right_is_not_believed() -> None:
    lit, dark = Look(BEFORE, Sight.LIT), Look(LOOKED, Sight.DARK)
    for wrong in (BEFORE - minutes(1), LOOKED + minutes(600), datetime(1970, 1, 1, tzinfo=UTC)):
        assert seen_of([lit, replace(dark, dark_at=wrong)]).since == LOOKED
    right = BEFORE + minutes(2)
    assert seen_of([lit, replace(dark, dark_at=right)]).since == right


# --- coming back -----------------------------------------------------------------------------------------------------


def test_it_ends_when_enough_came_back_and_not_before() -> None:
    [outage] = find(NOW, OLT, plant("F" * 12), RULE)
    known = [outage]
    counted = []
    for back in range(13):
        known = find(NOW, OLT, plant("." * back + "F" * (12 - back)), RULE, known)
        counted.append(len(known[0].dark) if known else 0)
    assert counted == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 0, 0, 0]


def test_an_olt_outage_that_is_half_mended_is_one_of_the_ports_left() -> None:
    [olt] = find(NOW, OLT, plant("FFFF", "FFFF", "FFFF", "FFFF"), RULE)
    assert olt.scope == "olt"
    assert told(find(NOW, OLT, plant("FFFF", "FFFF", "....", "...."), RULE, [olt])) == ["olt 8/16 fibre"]
    assert told(find(NOW, OLT, plant("FFFF", "....", "....", "...."), RULE, [olt])) == ["pon EPON0/1 4/4 fibre"]


# --- districts and silence -------------------------------------------------------------------------------------------


def test_a_district_is_dark_over_several_olts() -> None:
    seen = {OLT: plant("PPPP", "...."), OTHER: plant("PPPPP."), THIRD: plant("PPP.")}
    outage = find_area(NOW, "Центр", seen, RULE)
    assert outage is not None
    assert told([outage]) == ["area Центр 12/18 power"]
    assert outage.concerns(OLT, onu(1, 1))
    assert not outage.concerns(OLT, onu(2, 1))
    ports = [each for device in seen for each in find(NOW, device, seen[device], RULE)]
    assert told(broadest([*ports, outage])) == ["area Центр 12/18 power"]


@pytest.mark.parametrize(
    ("area", "olts"),
    [
        ("Центр", ("PPPP....", "........")),
        ("Центр", ("PPPP", "PP..........")),
        ("Центр", ("PPPPPPPPPP", "PP")),
        ("", ("PPPP", "PPPP")),
        ("Центр", ("PPPP",)),
    ],
)
def test_what_is_no_outage_of_a_district(area: str, olts: tuple[str, ...]) -> None:
    assert find_area(NOW, area, {DeviceId(at): plant(drawn) for at, drawn in enumerate(olts)}, RULE) is None


def test_an_olt_that_does_not_answer_is_an_outage_of_its_own_kind() -> None:
    assert silent_olt(OLT, 2, BEFORE, 96, RULE) == []
    [outage] = silent_olt(OLT, 3, BEFORE, 96, RULE)
    assert (outage.scope, outage.place, outage.silent, outage.dark, outage.reason) == (
        "olt", SILENT, True, (), DownReason.UNKNOWN,
    )  # fmt: skip
    assert not outage.whole


# --- laws ------------------------------------------------------------------------------------------------------------

looks = st.builds(
    lambda second, sight, reason, exact: Look(
        BEFORE + timedelta(seconds=second), sight, reason if sight is Sight.DARK else DownReason.UNKNOWN,
        BEFORE + timedelta(seconds=second - exact) if exact is not None and sight is Sight.DARK else None,
    ),
    st.integers(0, 880), st.sampled_from(Sight), st.sampled_from(DownReason), st.none() | st.integers(-50, 200),
)  # fmt: skip
ports = st.dictionaries(
    st.builds(onu, st.integers(1, 3), st.integers(1, 6)), st.lists(looks, max_size=6), max_size=12
)  # fmt: skip


def folded(plan: Mapping[OnuAddress, list[Look]]) -> dict[OnuAddress, Seen]:
    return {address: seen_of(each) for address, each in plan.items()}


@given(plan=ports, seed=st.integers())
def test_order_and_repetition_of_looks_make_no_difference(plan: dict[OnuAddress, list[Look]], seed: int) -> None:
    dice = random.Random(seed)
    shuffled = list(plan.items())
    dice.shuffle(shuffled)
    again = {}
    for address, each in shuffled:
        twice = [*each, *dice.sample(each, k=dice.randint(0, len(each)))]
        dice.shuffle(twice)
        again[address] = twice
    assert folded(again) == folded(plan)
    assert find(NOW, OLT, folded(again), RULE) == find(NOW, OLT, folded(plan), RULE)


@given(plan=ports)
def test_an_outage_is_of_enough_lines_that_were_online_and_are_dark(plan: dict[OnuAddress, list[Look]]) -> None:
    seen = folded(plan)
    for outage in find(NOW, OLT, seen, RULE):
        assert RULE.least <= len(outage.dark) <= outage.total <= len(seen)
        assert len(outage.dark) >= RULE.share * outage.total
        for dark in outage.dark:
            assert seen[dark.onu].dark
            assert (seen[dark.onu].was_online_at or seen[dark.onu].exact) is not None


def test_who_goes_dark_after_an_outage_began_is_of_it_at_once() -> None:
    plan = {onu(1, 4): [Look(BEFORE, Sight.DARK, DownReason.POWER, BEFORE)]}
    for number, lit, dark in ((1, 0, 1), (3, 0, 1), (2, 121, 336)):
        lit_at, dark_at = (BEFORE + timedelta(seconds=each) for each in (lit, dark))
        plan[onu(1, number)] = [Look(lit_at, Sight.LIT), Look(dark_at, Sight.DARK, DownReason.POWER)]
    (outage,) = found = find(NOW, OLT, folded(plan), RULE)
    assert len(outage.dark) == 4
    assert find(NOW + timedelta(seconds=165), OLT, folded(plan), RULE, found) == found


@given(plan=ports, later=st.integers(0, 24 * 3600))
def test_a_silent_olt_changes_nothing_of_its_lines(plan: dict[OnuAddress, list[Look]], later: int) -> None:
    """Time that passes without a look neither begins nor ends an outage."""
    seen = folded(plan)
    found = find(NOW, OLT, seen, RULE)
    assert find(NOW + timedelta(seconds=later), OLT, seen, RULE, found) == found


@given(each=st.lists(looks, max_size=12))
def test_one_onu_is_never_a_mass_outage(each: list[Look]) -> None:
    assert find(NOW, OLT, {onu(1, 1): seen_of(each)}, RULE) == []


@given(
    total=st.integers(4, 40), share=st.floats(0.5, 1.0), flips=st.lists(st.tuples(st.integers(0, 39), st.booleans())),
)  # fmt: skip
def test_one_line_that_comes_and_goes_does_not_make_the_outage_flap(
    total: int, share: float, flips: list[tuple[int, bool]]
) -> None:
    dark = max(3, int(total * share + 0.999))
    state = ["F"] * dark + ["."] * (total - dark)
    known = find(NOW, OLT, plant("".join(state)), RULE)
    assert len(known) == 1
    flapping = flips[0][0] % total if flips else 0
    for _, lit in flips:
        state[flapping] = "." if lit else "F"
        known = find(NOW, OLT, plant("".join(state)), RULE, known)
        assert len(known) == 1
        assert known[0].since == LOOKED


# --- settings and readings -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    state: OnuState
    reason: DownReason | None
    sight: Sight | None


@pytest.mark.parametrize(
    "each",
    [
        Reading(OnuState.ONLINE, DownReason.FIBRE, Sight.LIT),
        Reading(OnuState.STARTING, None, Sight.LIT),
        Reading(OnuState.OFFLINE, DownReason.POWER, Sight.DARK),
        Reading(OnuState.OFFLINE, None, Sight.DARK),
        Reading(OnuState.OFFLINE, DownReason.ADMIN, Sight.OUT),
        Reading(OnuState.DISABLED, None, Sight.OUT),
        Reading(OnuState.ABSENT, None, Sight.OUT),
        Reading(OnuState.UNKNOWN, DownReason.POWER, None),
    ],
)
def test_what_a_reading_says_of_outages(each: Reading) -> None:
    look = look_of(OnuReading(each.state, last_down_reason=each.reason), NOW)
    assert (look.sight if look else None) is each.sight


def test_a_provider_draws_its_own_lines() -> None:
    strict = MassRule.from_settings({"mass_least": 2, "mass_share": 0.1, "onu_rx_weak": -24})
    assert (strict.least, strict.share, strict.within_s) == (2, 0.1, 120)
    assert find(NOW, OLT, plant("FF........"), strict)
    assert MassRule.from_settings({}) == RULE


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mass_least": 1}, "one line is never"),
        ({"mass_share": 0}, "mass_share"),
        ({"mass_share": 1.2}, "mass_share"),
        ({"mass_least": 2.5}, "whole number"),
        ({"mass_within_s": "soon"}, "must be a number"),
        ({"mass_within_s": True}, "must be a number"),
        ({"mass_within_s": -1}, "negative"),
        ({"mass_within_s": float("nan")}, "must be a number"),
        ({"mass_least": float("inf")}, "must be a number"),
        ({"mass_stale_s": 1e300}, "at most"),
        ({"mass_share": 2, "mass_silent_looks": 0}, "mass_share.*mass_silent_looks"),
        ({"mass_hole": 1}, "no setting"),
        ({"mass_silent_looks": 0}, "silent_looks"),
    ],
)
def test_settings_that_cannot_be_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        MassRule.from_settings(settings)


def test_what_a_provider_set_is_shown_beside_the_houses_own_and_every_mistake_of_it_is_named() -> None:
    shown = norms_in_force({"mass_least": 5, "onu_rx_weak": -24})
    assert (shown["mass_least"], shown["onu_rx_weak"], shown["mass_within_s"]) == (5, -24, 120)
    assert MassRule.from_settings(shown) == MassRule(least=5)
    with pytest.raises(Misconfigured, match=r"hole.*mass_share"):
        norms_in_force({"hole": 1, "mass_share": 2})
