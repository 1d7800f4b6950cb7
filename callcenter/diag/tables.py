"""The tables of the line: devices, readings and their history, outages, diagnoses, circuits, changes on devices."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import INET, JSONB

from callcenter.store.database import metadata


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _provider() -> Column[int]:
    return Column("provider_id", BigInteger, nullable=False)


def _at(name: str, *, nullable: bool = False, key: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable, primary_key=key)


def _words(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


device = Table(
    "device", metadata, _id(), _provider(),
    Column("name", Text, nullable=False), Column("driver", Text, nullable=False), Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False, server_default=text("161")), Column("plain_community", Text),
    Column("secrets", LargeBinary), Column("options", JSONB, nullable=False, server_default=text("'{}'")),
    _words("detected"), _words("described"), _at("probed_at", nullable=True), _words("cli_protocol"),
    Column("cli_port", Integer), _words("host_key"), _words("area"), _words("site_ip"),
    _at("swept_at", nullable=True), Column("sweep_s", REAL), _words("sweep_error"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)  # fmt: skip

onu_reading = Table(
    "onu_reading", metadata, Column("device_id", BigInteger, primary_key=True), _provider(),
    Column("onu", Text, primary_key=True), _at("at"), Column("reading", JSONB, nullable=False),
)  # fmt: skip

onu_history = Table(
    "onu_history", metadata, Column("device_id", BigInteger, primary_key=True), _provider(),
    Column("onu", Text, primary_key=True), _at("at", key=True), Column("state", Text, nullable=False),
    Column("onu_rx", REAL), Column("olt_rx", REAL), _words("reason"),
)  # fmt: skip

onu_day = Table(
    "onu_day", metadata, Column("device_id", BigInteger, primary_key=True), _provider(),
    Column("onu", Text, primary_key=True), Column("day", Date, primary_key=True),
    Column("readings", Integer, nullable=False), Column("rx_min", REAL), Column("rx_avg", REAL),
    Column("rx_max", REAL), Column("olt_rx_avg", REAL), Column("downs", Integer, nullable=False),
)  # fmt: skip

onu_worse = Table(
    "onu_worse", metadata, Column("device_id", BigInteger, primary_key=True), _provider(),
    Column("onu", Text, primary_key=True), Column("kind", Text, primary_key=True), _at("since", key=True),
    _at("last_at"), Column("detail", JSONB, nullable=False), _at("ended_at", nullable=True), _words("seen_by"),
)  # fmt: skip

line_outage = Table(
    "line_outage", metadata, _id(), Column("device_id", BigInteger, nullable=False), _provider(),
    Column("scope", Text, nullable=False),
    Column("place", Text, nullable=False), Column("reason", Text, nullable=False),
    _at("since"), _at("seen_at"), Column("dark", Integer, nullable=False), Column("total", Integer, nullable=False),
    Column("source", Text, nullable=False), Column("onus", JSONB, nullable=False), _at("ended_at", nullable=True),
)  # fmt: skip

diagnosis = Table(
    "diagnosis", metadata, _id(), _provider(), Column("call_id", Text), Column("subscriber_id", BigInteger),
    Column("device_id", BigInteger), _words("line"), _at("started_at"), _at("ended_at", nullable=True),
    Column("who", Text, nullable=False), Column("steps", JSONB, nullable=False),
    Column("answers", JSONB, nullable=False), Column("verdict", JSONB),
)  # fmt: skip

circuit = Table(
    "circuit", metadata, _id(), _provider(), Column("name", Text, nullable=False),
    Column("vlan", Integer, nullable=False), _words("mac_a"), _words("mac_b"), Column("ip_a", INET),
    Column("ip_b", INET), _words("note"),
)  # fmt: skip

circuit_hop = Table(
    "circuit_hop", metadata, Column("circuit_id", BigInteger, ForeignKey(circuit.c.id), primary_key=True), _provider(),
    Column("seq", Integer, primary_key=True), Column("device_id", BigInteger, nullable=False),
    Column("port", Text, nullable=False), Column("vlan", Integer, nullable=False),
    Column("tagged", Boolean, nullable=False),
)  # fmt: skip

circuit_check = Table(
    "circuit_check", metadata, _id(), Column("circuit_id", BigInteger, nullable=False), _provider(), _at("at"),
    Column("who", Text, nullable=False), Column("sound", Boolean, nullable=False), Column("broken_at", Integer),
    Column("result", JSONB, nullable=False),
)  # fmt: skip

device_change = Table(
    "device_change", metadata, _id(), _provider(), Column("device", Text, nullable=False),
    Column("place", Text, nullable=False), Column("kind", Text, nullable=False), Column("circuit_id", BigInteger),
    _at("at"), Column("who", Text, nullable=False), Column("commands", JSONB, nullable=False),
    Column("before", JSONB, nullable=False), Column("after", JSONB, nullable=False),
    Column("state", Text, nullable=False), _words("note"),
)  # fmt: skip
