"""What Asterisk is told, for every Asterisk we write for."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import Environment

from callcenter.ami.events import LIVE_EVENTS
from callcenter.calls import rows
from callcenter.calls.outcome import CallOutcome
from callcenter.errors import Misconfigured
from callcenter.ivr.prompts import Prompt
from callcenter.ivr.question import PATH
from callcenter.pbx.dialplan import APPLICATIONS, FUNCTIONS, Dialplan, read_dialplan
from callcenter.pbx.install import check_rendered
from callcenter.pbx.modules import JOURNAL_WRITER, MODULES
from callcenter.pbx.render import (
    BESIDE,
    TEMPLATES,
    UNWANTED_EVENTS,
    WHOLE,
    HolidayWay,
    holidays,
    open_spans,
    render,
)
from callcenter.pbx.safe import FILTERS, Unsafe, only_safe
from callcenter.pbx.syntax import Section, check_files
from callcenter.pbx.version import PbxVersion
from callcenter.routing.hours import DAYS, Calendar, Holiday, WeekHours
from callcenter.words import LANGUAGES
from tests.pbx_house import NIGHT, OFFICE_HOURS, VOLIA, a_book, a_queue, an_agent, settings_for

ROOT = Path("/pbx")
VERSIONS = ("18.26.0", "20.10.0", "20.15.1", "21.5.0", "22.10.1")
NEWEST = PbxVersion.parse("22.10.1")


def rendered(version: str = "22.10.1", *, whole: bool = True) -> dict[str, str]:
    return render(a_book(), settings_for(ROOT, whole=whole), PbxVersion.parse(version))


def sections(name: str, files: dict[str, str] | None = None) -> dict[str, Section]:
    return {each.name: each for each in check_files(files or rendered())[name]}


def dialplan(files: dict[str, str] | None = None) -> Dialplan:
    return read_dialplan(check_files(files or rendered())["extensions.conf"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("whole", [True, False])
def test_every_supported_asterisk_gets_files_it_can_read(version: str, whole: bool) -> None:
    files = rendered(version, whole=whole)
    check_rendered(files)
    assert set(files) == set(WHOLE if whole else BESIDE)
    assert all(text.startswith("; Rendered by callcenter") for text in files.values())


@pytest.mark.parametrize(
    ("version", "stereo", "named_filters", "cdrel"),
    [
        ("18.26.0", False, False, False),
        ("20.10.0", False, False, False),
        ("20.11.0", False, True, False),
        ("20.12.0", False, True, False),
        ("20.21.0-rc1", True, True, True),
        ("21.5.0", False, False, False),
        ("21.7.0", False, True, False),
        ("22.0.0", False, False, False),
        ("22.1.0", False, True, False),
        ("22.10.1", False, True, True),
        ("22.11.0-rc1", True, True, True),
        ("23.4.1", False, True, True),
        ("23.5.0", True, True, True),
        ("24.0.0", True, True, True),
    ],
)
def test_what_a_version_can_do_is_what_it_is_asked_to_do(
    version: str, stereo: bool, named_filters: bool, cdrel: bool
) -> None:
    files = rendered(version)
    assert ("MixMonitor(${UNIQUEID}.raw,Db)" in files["extensions.conf"]) is stereo
    assert ("MixMonitor(,br(${UNIQUEID}-caller.raw)t(${UNIQUEID}-agent.raw))" in files["extensions.conf"]) is not stereo
    assert ("eventfilter(action(exclude),name(VarSet))" in files["manager.conf"]) is named_filters
    assert ("eventfilter = !^Event: (VarSet|" in files["manager.conf"]) is not named_filters
    assert (f"load = {JOURNAL_WRITER}.so" in files["modules.conf"]) is cdrel


@pytest.mark.parametrize("text", ["17.9.4", "1.8", "main", "", "22"])
def test_an_unknown_version_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match=r"asterisk\.version"):
        PbxVersion.parse(text)


def test_a_did_is_found_however_the_trunk_writes_it() -> None:
    found = dialplan().contexts["from-trunk"]
    for form in ("380441230001", "+380441230001", "0441230001", "80441230001", "441230001", "00380441230001"):
        first = found[form][0]
        assert (first.app, first.args) in {
            ("Set", "__DID=+380441230001"),
            ("Goto", "from-trunk,380441230001,1"),
        }


def test_every_form_the_dialplan_takes_is_read_as_the_same_did_by_routing() -> None:
    book = a_book()
    for form, steps in dialplan().contexts["from-trunk"].items():
        target = steps[0].args.removeprefix("from-trunk,").partition(",")[0]
        if steps[0].app == "Goto":
            found = book.provider_of(form)
            assert found is not None
            assert found[0] == f"+{target}"


def test_the_dialplan_writes_the_rows_that_the_ledger_reads() -> None:
    found = dialplan().journal_events
    known = {rows.STAGE, rows.END, rows.QUEUE, rows.RECORDING, rows.OUT, rows.BOOT, rows.DUTY, rows.SOUND}
    assert {name for name, _ in found} == known
    ends = {value for name, value in found if name == rows.END}
    assert ends == {CallOutcome.CLOSED, CallOutcome.LINES_FULL, CallOutcome.UNKNOWN_DID, "asked"}
    assert {value for name, value in found if name == rows.STAGE} == {"greeting", "question", "queue", "hold"}


def test_the_dialplan_plays_prompts_that_are_made() -> None:
    played = [step.args for step in dialplan().steps if step.app == "Playback"]
    names = {part.rpartition("/")[2] for args in played for part in args.split("&")}
    assert names == set(Prompt) - {Prompt.KEEP_PLACE}  # that one is part of the music
    assert all(part.startswith("/pbx/lib/sounds/callcenter/") for args in played for part in args.split("&"))


def test_the_dialplan_uses_only_what_is_loaded_and_nothing_that_runs_programs() -> None:
    found = dialplan()
    loaded = {*MODULES, ""}
    assert {APPLICATIONS[step.app] for step in found.steps} <= loaded
    assert {FUNCTIONS[name] for name in found.functions} <= loaded
    assert not loaded & {"app_system", "func_shell", "func_env", "res_agi", "app_exec", "app_originate", "pbx_spool"}


def test_what_a_caller_sends_reaches_an_application_only_through_a_filter() -> None:
    """Caller id and extension stand nowhere but inside FILTER or as the place to go to in the outbound contexts."""
    for step in dialplan().steps:
        bare = re.sub(
            r"\$\{FILTER\([^()]*,\$\{(?:CALLERID\((?:num|name)\)|EXTEN|CALLBACK|PROVIDER)\}\)\}", "", step.args
        )
        assert "CALLERID(num)}" not in bare, step
        assert "CALLERID(name)}" not in bare, step
        assert "${EXTEN}" not in bare or step.args.startswith("dial-"), step  # behind _380X., digits by its pattern


def test_the_question_is_asked_where_it_is_answered_and_no_longer_than_a_second() -> None:
    steps = [step.args for step in dialplan().contexts["ask-the-service"]["s"]]
    assert steps[:3] == ["CURLOPT(userpwd)=asterisk:ivr-token-0123", "CURLOPT(conntimeout)=1", "CURLOPT(httptimeout)=1"]
    assert f"http://127.0.0.1:8089{PATH}?call=" in steps[3]
    assert "ivr-token" not in steps[3]  # Asterisk logs the address whenever nobody answers there


def test_phones_reach_agents_and_queues_and_nothing_else() -> None:
    assert set(dialplan().contexts["from-agent"]) == {
        *("101", "102", "103"),
        *("volia-support", "night-support", "*1", "*2"),
        *("*43", "*45", "*46", "*47", "*48"),
    }


def test_a_queue_whose_number_is_a_duty_code_is_dialled_by_its_name_alone() -> None:
    book = a_book(queues=(a_queue(45, VOLIA, "volia-support", "101"), a_queue(2, NIGHT, "night-support", "101")))
    phones = dialplan(render(book, settings_for(ROOT), NEWEST)).contexts["from-agent"]
    assert "volia-support" in phones
    assert phones["*45"][0].args == "ORDER=pause"


def test_an_agents_phone_speaks_for_that_agent_alone_and_nobody_is_sent_to_speak() -> None:
    """Signed in by phone they sit in the queues they serve with their penalty; signed out, in none of the house."""
    found = dialplan()
    first, guard = found.contexts["duty"]["s"][:2]
    assert first.args == "AGENT=${FILTER(0-9,${CUT(CHANNEL(name),-,2)})}"
    assert guard.app == "GotoIf"
    assert "PJSIP/agent-" in guard.args
    assert "BLINDTRANSFER" in guard.args
    added = [step.args for step in found.contexts["duty-in"]["101"] if step.app == "AddQueueMember"]
    assert added == ["volia-support,PJSIP/agent-101,0,,101", "night-support,PJSIP/agent-101,0,,101"]
    assert not [step for step in found.contexts["duty-in"]["103"] if step.app == "AddQueueMember"]
    removed = [step.args for step in found.contexts["duty"]["out"] if step.app == "RemoveQueueMember"]
    assert removed == ["volia-support,PJSIP/agent-${AGENT}", "night-support,PJSIP/agent-${AGENT}"]


def test_nobody_is_sent_on_hold_or_to_hear_a_call_but_by_the_service() -> None:
    found = dialplan()
    for context in ("hold", "listen", "colleague"):
        others = [step for name, steps in found.contexts.items() if name != context for each in steps.values()
                  for step in each]  # fmt: skip
        assert others
        assert not [step for step in others if re.match(rf".*\b{context}[,^]", step.args) and "Goto" in step.app]


def test_a_supervisor_hears_one_named_channel_till_its_end() -> None:
    """u: one whole Uniqueid and no prefix; E and S: over with it, and at once where it is over already."""
    heard = dialplan().contexts["listen"]
    assert {name: steps[0].args.rpartition(",")[2] for name, steps in heard.items()} == {
        "listen": "uqES", "whisper": "uqESw", "join": "uqESB",
    }  # fmt: skip
    assert all("${FILTER(" in steps[0].args for steps in heard.values())


def test_a_call_back_leaves_only_to_allowed_prefixes_and_as_its_provider() -> None:
    found = dialplan().contexts
    assert set(found["outbound-volia"]) == {"_380X."}
    assert any(step.args == "CALLERID(num)=+380441230001" for step in found["dial-volia"]["_X."])
    assert any(step.args == "CALLERID(num)=+380441230002" for step in found["dial-night"]["_X."])


def test_without_a_way_out_there_is_no_context_to_call_back_through() -> None:
    files = render(a_book(), settings_for(ROOT, outbound={"trunk": None}), NEWEST)
    assert not [name for name in dialplan(files).contexts if name.startswith("outbound-")]


def test_callers_join_the_providers_first_queue_and_never_anothers() -> None:
    book = a_book(queues=(*a_book().queues, a_queue(7, VOLIA, "volia-business", "103")))
    found = dialplan(render(book, settings_for(ROOT), NEWEST))
    assert found.contexts["provider-volia"]["queue"][0].args == "queue-volia-support,1"
    assert "queue-volia-business" in found.contexts["provider-volia"]
    assert "queue-volia-business" not in found.contexts["provider-night"]
    assert found.queues == {"volia-support", "volia-business", "night-support"}


def test_the_dialplan_is_open_exactly_when_routing_says_so() -> None:
    """Every minute of a week: GotoIfTime's last minute belongs to it, a span's end does not."""
    hours, zone = WeekHours.parse(OFFICE_HOURS), ZoneInfo("Europe/Kyiv")
    spans = [re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d),(\w{3})", each) for each in open_spans(hours)]
    assert all(spans)
    monday = datetime(2026, 11, 23, tzinfo=zone)
    for minute in range(7 * 24 * 60):
        at = monday + timedelta(minutes=minute)
        clock = at.hour * 60 + at.minute
        told = any(
            s is not None
            and s[5] == DAYS[at.weekday()]
            and int(s[1]) * 60 + int(s[2]) <= clock <= int(s[3]) * 60 + int(s[4])
            for s in spans
        )
        assert told == hours.is_open(at, zone), at


def test_on_a_holiday_the_dialplan_is_open_exactly_when_routing_says_so() -> None:
    """A whole holiday, one with other hours, and the days around them, on both days on which the clocks are turned."""
    zone = ZoneInfo("Europe/Kyiv")
    days = [
        Holiday.parse("2027-01-01", "Новий рік", []),
        Holiday.parse("2027-03-28", "the clocks go on", ["02:00-05:00"]),
        Holiday.parse("2027-10-31", "the clocks go back", ["00:00-24:00"]),
    ]
    hours = WeekHours.parse(OFFICE_HOURS)
    calendar = Calendar(hours, zone, {each.day: each for each in days})
    provider = replace(a_book().providers[1], holidays=tuple(days))
    book = a_book(providers=(a_book().providers[0], provider))
    steps = dialplan(render(book, settings_for(ROOT), NEWEST)).contexts["provider-night"]["s"]
    conditions = [step.args for step in steps if step.app == "GotoIfTime"]
    for first in (date(2026, 12, 31), date(2027, 3, 27), date(2027, 10, 30)):
        at = datetime.combine(first, time(), zone).astimezone(UTC)
        for minute in range(0, 3 * 24 * 60, 7):
            moment = at + timedelta(minutes=minute)
            assert _goes_to(conditions, moment.astimezone(zone)) == ("open" if calendar.is_open(moment) else "closed")


def _goes_to(conditions: list[str], at: datetime) -> str:
    """What Asterisk's ``GotoIfTime`` does with them, one after another."""
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    for condition in conditions:
        times, _, place = condition.partition("?")
        span, weekday, day, month, _zone = times.split(",")
        clock = f"{at:%H:%M}"
        if span != "*" and not span[:5] <= clock <= span[6:]:
            continue
        if weekday not in {"*", DAYS[at.weekday()]} or day not in {"*", str(at.day)}:
            continue
        if month in {"*", months[at.month - 1]}:
            return place.partition(",")[0]
    return "closed"


def test_a_holiday_that_is_over_does_not_come_again_a_year_later() -> None:
    day = Holiday.parse("2026-08-24", "День Незалежності", [])
    assert holidays([day], date(2026, 8, 24)) == (HolidayWay(24, "aug", ()),)
    assert holidays([day], date(2026, 8, 25)) == ()
    assert holidays([day], date(2025, 8, 24)) == ()


def test_a_provider_with_a_week_of_days_off_is_always_closed() -> None:
    closed = [replace(p, hours=WeekHours.parse({"mon": []})) for p in a_book().providers]
    steps = dialplan(render(a_book(providers=tuple(closed)), settings_for(ROOT), NEWEST)).contexts["provider-night"][
        "s"
    ]
    assert steps[-1].args == "closed,1"
    assert not [step for step in steps if step.app == "GotoIfTime"]


def test_no_event_that_the_live_view_reads_is_filtered_away() -> None:
    assert not LIVE_EVENTS & set(UNWANTED_EVENTS)
    legacy = sections("manager.conf", rendered("18.26.0"))["callcenter-events"].value("eventfilter")
    assert legacy is not None
    unwanted = re.compile(legacy.removeprefix("!"))
    assert all(unwanted.search(f"Event: {name}\r\n") is None for name in LIVE_EVENTS)
    assert all(unwanted.search(f"Event: {name}\r\n") is not None for name in UNWANTED_EVENTS)
    assert unwanted.search("Event: Newchannel\r\nCallerIDName: Event: CEL\r\n") is None


def test_the_two_manager_users_can_do_no_more_than_they_need() -> None:
    users = sections("manager.conf")
    events, commands = users["callcenter-events"], users["callcenter-commands"]
    assert (events.value("read"), events.value("write")) == ("system,call,agent,user", "reporting")
    assert (commands.value("read"), commands.value("write")) == (None, "system,call,agent,originate,reporting")
    for user in (events, commands):
        assert user.value("deny") == "0.0.0.0/0.0.0.0"
        assert user.value("permit") == "127.0.0.1/32"
        assert user.value("writetimeout") == "10000"
    assert users["general"].value("channelvars") == "DID,PROVIDER,CALLBACK"
    assert users["general"].value("webenabled") == "no"


def test_a_link_with_tls_leaves_the_plain_one_on_the_machine_itself() -> None:
    settings = settings_for(ROOT, ami_bind="10.0.0.5", ami_tls_cert=Path("/pbx/ami.pem"))
    general = sections("manager.conf", render(a_book(), settings, NEWEST))["general"]
    assert general.value("tlsbindaddr") == "10.0.0.5:5038"
    assert general.value("tlscertfile") == "/pbx/ami.pem"
    assert (general.value("bindaddr"), general.value("port")) == ("127.0.0.1", "5039")


def test_the_journals_row_is_the_twelve_columns_of_the_ledger_each_encoded_that_a_caller_can_write() -> None:
    row = sections("cel_custom.conf")["mappings"].value("callcenter.journal")
    assert row is not None
    columns = row.split("|")
    assert len(columns) == rows.COLUMNS
    plain = [column for column in columns if not column.startswith("${URIENCODE(")]
    assert plain == ["${eventtype}", "${eventtime}", "${CHANNEL(LINKEDID)}", "${CHANNEL(UNIQUEID)}"]


def test_trunks_may_not_transfer_and_nobody_may_subscribe() -> None:
    pjsip = sections("pjsip.conf")
    assert pjsip["callcenter-trunk"].value("allow_transfer") == "no"
    assert pjsip["callcenter-trunk"].value("allow_subscribe") == "no"
    assert pjsip["callcenter-phone"].value("allow_subscribe") == "no"


def test_beside_an_existing_pbx_our_files_bring_no_general_of_their_own() -> None:
    parsed = check_files(rendered(whole=False))
    for name, found in parsed.items():
        for section in found:
            if section.name in {"general", "global", "mappings", "startup_commands", "transport-udp"}:
                assert section.options == ("+",), (name, section.name)


def test_an_escaped_semicolon_is_the_only_one_in_a_value() -> None:
    agents = (*a_book().agents[:2], an_agent("103", "sip:agent-103@10.1.1.1:5060;transport=tcp"))
    files = render(a_book(agents=agents), settings_for(ROOT), NEWEST)
    contacts = [s.value("contact") for s in check_files(files)["pjsip.conf"]]
    assert "sip:agent-103@10.1.1.1:5060;transport=tcp" in contacts


def test_a_template_that_prints_a_value_without_a_filter_fails() -> None:
    environment = Environment(finalize=only_safe, autoescape=False)
    with pytest.raises(Unsafe, match="passed no filter"):
        environment.from_string("{{ name }}").render(name="plain")
    for template in TEMPLATES.glob("*.j2"):
        for printed in re.findall(r"\{\{(.*?)\}\}", template.read_text("utf-8")):
            ending = printed.strip().rpartition("|")[2]
            assert ending in FILTERS or re.fullmatch(
                r"[a-z_.]+(_s|_port|penalty|max_lines|max_calls|max_waiting|day\.number|phone\.port)( \+ 1)?"
                r"|day\.number|phone\.port( \+ 1)?",
                ending,
            ), f"{template.name}: {printed}"


def test_languages_of_the_answer_are_those_of_the_prompts() -> None:
    asked = next(step.args for step in dialplan().steps if "REGEX" in step.args)
    found = re.search(r"\((\w+)\|(\w+)\)", asked)
    assert found is not None
    assert set(found.groups()) == set(LANGUAGES)
