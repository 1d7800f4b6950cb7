"""The tables of the line: OLTs, the last known reading of each ONU, and its thin history."""

from __future__ import annotations

from sqlalchemy import REAL, BigInteger, Column, DateTime, Identity, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.store.database import metadata

olt = Table(
    "olt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("driver", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False, server_default=text("161")),
    Column("community", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

onu_reading = Table(
    "onu_reading",
    metadata,
    Column("olt_id", BigInteger, primary_key=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("onu", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("reading", JSONB, nullable=False),
)

onu_history = Table(
    "onu_history",
    metadata,
    Column("olt_id", BigInteger, primary_key=True),
    Column("provider_id", BigInteger, nullable=False),
    Column("onu", Text, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("state", Text, nullable=False),
    Column("onu_rx", REAL),
    Column("olt_rx", REAL),
)
