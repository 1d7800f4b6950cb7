"""Writes ``docs/configuration.md`` from ``callcenter/config.py``; with ``--check`` says whether it is up to date."""

from __future__ import annotations

import ast
import sys
import typing
from pathlib import Path

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from callcenter import config
from callcenter.config import ENV_PREFIX, Settings

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD = """\
# Configuration reference

This page is made from `callcenter/config.py` by `python scripts/configuration.py`; a test holds it up to date.

The service and every command read one TOML file: the one named by `--config`, else by `CALLCENTER_CONFIG`, else
`./callcenter.toml`. The environment variable of the last column sets the same setting and wins over the file: use it
for secrets, which are marked *secret* and are never printed. In the environment a list is not possible: write lists
in the file. A setting that is not known, not given or out of its range is named with all the others, and the command
ends with code 2.

Providers, numbers, queues, agents, trunks, OLTs and sign-ins are not settings: they are in the database
(`callcenter import`, `callcenter provider`, …).
"""
MEANINGS = {
    "data_dir": "The service's own folder: the embedded PostgreSQL (`postgres/`), a studio's prompts (`prompts/`).",
    "database.pool_size": "Connections to PostgreSQL at once.",
    "ami.host": "Where Asterisk's manager interface is.",
    "ami.port": "Its port; the one of TLS when `tls_cafile` is set.",
    "ami.events_user": "The login that only listens.",
    "ami.events_secret": "Its password; rendered into `manager.conf`.",
    "ami.commands_user": "The login that reloads, pauses agents and starts calls back.",
    "ami.commands_secret": "Its password; rendered into `manager.conf`.",
    "asterisk.version": "As `asterisk -V` says it, 18 or newer: files differ between versions.",
    "asterisk.run_dir": "`astrundir`. Written into `asterisk.conf` when `own_whole`.",
    "asterisk.var_dir": "`astvarlibdir`: prompts and music are put below its `sounds/`.",
    "asterisk.module_dir": "`astmoddir`: it is checked that the modules we need are there.",
    "asterisk.sip_bind": "Address and port of the SIP transport, when `own_whole`.",
    "asterisk.ami_bind": "Address AMI listens on, when `own_whole`.",
    "asterisk.ami_port": "Port AMI listens on, when `own_whole`.",
    "asterisk.ami_tls_cert": "Certificate and key in one file; with it AMI speaks TLS, when `own_whole`.",
    "asterisk.max_calls": "More channels at once Asterisk refuses, when `own_whole`.",
    "asterisk.system_name": "The beginning of every call's name. Beside an existing PBX: its own `systemname`.",
    "ivr.host": "Where the service listens for Asterisk's question.",
    "ivr.port": "The port of it.",
    "ivr.token": "What Asterisk shows to be answered; rendered into `extensions.conf`.",
    "ivr.limit_s": "Seconds Asterisk waits for the answer before it goes on to the queue.",
    "web.host": "Where the pages and the API listen.",
    "web.port": "The port of them.",
    "web.session_hours": "A sign-in ends after so many hours.",
    "recordings.dir": "Where recordings are kept: `<provider>/<year>/<month>/<day>/<id>.opus`.",
    "recordings.poll_s": "Seconds between two looks for new recordings.",
}
"""Meanings of settings whose source says none."""
_BOUNDS = ((Ge, "ge", "from {}"), (Gt, "gt", "above {}"), (Le, "le", "to {}"), (Lt, "lt", "below {}"))


def notes() -> dict[tuple[str, str], str]:
    """What is written below each setting in the source, by class and name."""
    source = ast.parse(Path(config.__file__).read_text("utf-8"))
    found: dict[tuple[str, str], str] = {}
    for section in source.body:
        if not isinstance(section, ast.ClassDef):
            continue
        found[section.name, ""] = ast.get_docstring(section) or ""
        for setting, below in zip(section.body, section.body[1:], strict=False):
            if isinstance(setting, ast.AnnAssign) and isinstance(setting.target, ast.Name) and _is_text(below):
                found[section.name, setting.target.id] = " ".join(ast.literal_eval(below.value).split())
    return found


def _is_text(node: ast.stmt) -> typing.TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def reference() -> str:
    """The whole page."""
    parts = [HEAD]
    plain = {name: found for name, found in Settings.model_fields.items() if _section(found) is None}
    parts += ["## Top of the file\n", _table(Settings, plain, ())]
    for name, found in Settings.model_fields.items():
        section = _section(found)
        if section is not None:
            note = notes().get((section.__name__, ""), "")
            parts += [f"## `[{name}]`\n", *([f"{_code(note)}\n"] if note else [])]
            parts.append(_table(section, section.model_fields, (name,)))
    return "\n".join(parts)


def _section(found: FieldInfo) -> type[BaseModel] | None:
    kind = found.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _table(section: type[BaseModel], settings: dict[str, FieldInfo], above: tuple[str, ...]) -> str:
    rows = ["| Setting | What it takes | Default | Meaning | In the environment |", "|---|---|---|---|---|"]
    for name, found in settings.items():
        variable = ENV_PREFIX + "__".join((*above, name)).upper()
        cells = (
            f"`{name}`",
            _takes(found),
            _default(found),
            _code(_meaning(section, (*above, name))),
            "–" if _is_list(found) else f"`{variable}`",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _meaning(section: type[BaseModel], path: tuple[str, ...]) -> str:
    """A setting without a meaning fails here: nobody could use it."""
    return notes().get((section.__name__, path[-1])) or MEANINGS[".".join(path)]


def _kinds(found: FieldInfo) -> set[object]:
    return set(typing.get_args(found.annotation)) - {type(None)} or {found.annotation}


def _is_list(found: FieldInfo) -> bool:
    return typing.get_origin(found.annotation) is tuple


def _takes(found: FieldInfo) -> str:
    words = {SecretStr: "*secret*", bool: "true or false", int: "whole number", float: "number", Path: "path"}
    kind = "list of texts" if _is_list(found) else next((words[k] for k in words if k in _kinds(found)), "text")
    bounds = [
        text.format(getattr(rule, name))
        for rule in found.metadata
        for law, name, text in _BOUNDS
        if isinstance(rule, law)
    ]
    pattern = next((rule.pattern for rule in found.metadata if getattr(rule, "pattern", None)), None)
    return " ".join([kind, *bounds, *([f"like `{pattern}`"] if pattern else [])])


def _default(found: FieldInfo) -> str:
    if found.is_required():
        return "**required**"
    value = found.default
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(_quoted(each) for each in value)}]`"
    return f"`{_quoted(value)}`" if isinstance(value, str) else f"`{value}`"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _code(text: str) -> str:
    """Markdown of a docstring."""
    return text.replace("``", "`").replace("|", "\\|").replace("\n", " ")


def main() -> int:
    wanted = reference()
    if "--check" in sys.argv[1:]:
        present = DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else ""
        if present != wanted:
            sys.stderr.write(f"{DOCUMENT.name} is out of date: run `python scripts/configuration.py`\n")
        return int(present != wanted)
    DOCUMENT.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
