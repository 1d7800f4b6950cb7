"""The tables of routing: providers, their numbers, trunks and queues, and the agents who answer."""

from __future__ import annotations

from sqlalchemy import REAL, BigInteger, Boolean, Column, Date, DateTime, Identity, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from callcenter.store.database import metadata

provider = Table(
    "provider",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("brand", Text, nullable=False),
    Column("colour", Text, nullable=False, server_default=text("'#0b5fff'")),
    Column("language", Text, nullable=False, server_default=text("'uk'")),
    Column("timezone", Text, nullable=False, server_default=text("'Europe/Kyiv'")),
    Column("greeting", Text, nullable=False, server_default=text("''")),
    Column("hours", JSONB, nullable=False, server_default=text("'{}'")),
    Column("max_lines", Integer, nullable=False, server_default=text("30")),
    Column("min_talk_s", REAL, nullable=False, server_default=text("1")),
    Column("short_abandon_s", Integer, nullable=False, server_default=text("5")),
    Column("callback_within_min", Integer, nullable=False, server_default=text("30")),
    Column("thresholds", JSONB, nullable=False, server_default=text("'{}'")),
    Column("callback_attempts", Integer, nullable=False, server_default=text("3")),
    Column("callback_every_min", Integer, nullable=False, server_default=text("15")),
    Column("callback_talk_s", REAL, nullable=False, server_default=text("5")),
    Column("service_level_s", Integer, nullable=False, server_default=text("20")),
    Column("auto_answer", Boolean, nullable=False, server_default=text("false")),
    Column("agents_restart", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

did = Table(
    "did",
    metadata,
    Column("number", Text, primary_key=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
)

trunk = Table(
    "trunk",
    metadata,
    Column("name", Text, primary_key=True),
    Column("provider_id", BigInteger),
    Column("hosts", ARRAY(Text), nullable=False),
    Column("outbound_uri", Text),
    Column("codecs", Text, nullable=False, server_default=text("'alaw,ulaw'")),
)

agent = Table(
    "agent",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("extension", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("sip_secret", Text, nullable=False),
    Column("contact", Text),
    Column("phone", Text, nullable=False, server_default=text("'desk'")),
    Column("auto_answer", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

queue = Table(
    "queue",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("strategy", Text, nullable=False, server_default=text("'rrmemory'")),
    Column("timeout_s", Integer, nullable=False, server_default=text("300")),
    Column("ring_s", Integer, nullable=False, server_default=text("20")),
    Column("wrapup_s", Integer, nullable=False, server_default=text("10")),
    Column("max_waiting", Integer, nullable=False, server_default=text("50")),
    Column("keep_place", Boolean, nullable=False, server_default=text("true")),
    Column("keep_place_every_s", Integer, nullable=False, server_default=text("60")),
)

queue_agent = Table(
    "queue_agent",
    metadata,
    Column("queue_id", BigInteger, primary_key=True),
    Column("agent_id", BigInteger, primary_key=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("penalty", Integer, nullable=False, server_default=text("0")),
)

holiday = Table(
    "holiday",
    metadata,
    Column("provider_id", BigInteger, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("hours", JSONB, nullable=False, server_default=text("'[]'")),
)

call_reason = Table(
    "call_reason",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("name_uk", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=text("''")),
    Column("sort", Integer, nullable=False, server_default=text("0")),
    Column("retired_at", DateTime(timezone=True)),
)

pause_reason = Table(
    "pause_reason",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name_uk", Text, nullable=False),
    Column("name_en", Text, nullable=False, server_default=text("''")),
    Column("limit_s", Integer),
    Column("sort", Integer, nullable=False, server_default=text("0")),
    Column("retired_at", DateTime(timezone=True)),
)
