"""Invented subscribers for the lab: the same every time, shaped like a Ukrainian provider's."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.plant import Onu

_SURNAMES = (
    "Шевченко", "Коваленко", "Бондаренко", "Ткаченко", "Кравченко", "Олійник", "Мельник", "Поліщук", "Савченко",
    "Руденко", "Марченко", "Лисенко", "Гриценко", "Павленко", "Коваль", "Литвин", "Гончар", "Мороз", "Яценко", "Шульга",
)  # fmt: skip
_FIRST = (
    ("Марія", "Іванівна"), ("Петро", "Ілліч"), ("Ольга", "Петрівна"), ("Андрій", "Миколайович"), ("Надія", "Сергіївна"),
    ("Ігор", "Васильович"), ("Світлана", "Олегівна"),
    ("Тарас", "Богданович"), ("Людмила", "Юріївна"), ("Юрій", "Андрійович"),
)  # fmt: skip
_STREETS = (
    "вул. Садова",
    "вул. Шевченка",
    "вул. Лесі Українки",
    "просп. Миру",
    "вул. Франка",
    "пров. Тихий",
    "вул. Зелена",
)
_TARIFFS = ("Дім 100, 100 Мбіт/с", "Дім 300, 300 Мбіт/с", "Гігабіт, 1 Гбіт/с", "Приватний сектор, 200 Мбіт/с")


@dataclass(frozen=True, slots=True)
class Person:
    """One line of the subscribers' file; ``phone`` is national, as billing systems keep it."""

    account: str
    name: str
    address: str
    tariff: str
    balance: str
    status: str
    paid_till: str
    phone: str
    olt: str
    onu: str
    mac: str = ""
    vlan: str = ""
    ip: str = ""


def phone_of(provider: int, number: int) -> str:
    """The phone of a provider's subscriber: ``0671200007`` is the eighth of the second."""
    return f"067{provider:02d}{number:05d}"


def people(
    provider: int, count: int, olt: str, onus: list[str], lines: Mapping[str, Onu] | None = None
) -> Iterator[Person]:
    """``count`` subscribers of the provider with this number; the first ones sit on the OLT's ONUs in order.

    With the OLT's ``lines`` the contracts name the router, the VLAN and an address that answers.
    """
    dice = random.Random(provider)
    for number in range(count):
        first, father = dice.choice(_FIRST)
        debt = dice.random() < 0.15
        line = (lines or {}).get(onus[number]) if number < len(onus) else None
        yield Person(
            account=str(100_000 * (provider + 1) + number),
            name=f"{dice.choice(_SURNAMES)} {first} {father}",
            address=f"{dice.choice(_STREETS)} {dice.randint(1, 90)}, кв. {dice.randint(1, 120)}",
            tariff=dice.choice(_TARIFFS),
            balance=f"{-dice.randint(500, 30_000) / 100 if debt else dice.randint(0, 60_000) / 100:.2f}",
            status="debtor" if debt else "active",
            paid_till=f"2026-12-{dice.randint(1, 28):02d}",
            phone=phone_of(provider, number),
            olt=olt if number < len(onus) else "",
            onu=onus[number] if number < len(onus) else "",
            mac=line.behind[0].hex(":") if line and line.behind else "",
            vlan=str(line.vlan) if line else "",
            ip=f"127.{40 + provider}.{number // 250}.{number % 250 + 1}" if line else "",
        )


def write_csv(path: Path, rows: Iterator[Person]) -> None:
    """The file an operator would export from billing."""
    names = (
        "account",
        "name",
        "address",
        "tariff",
        "balance",
        "status",
        "paid_till",
        "phones",
        "olt",
        "onu",
        "mac",
        "vlan",
        "ip",
    )
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(names)
        for row in rows:
            out.writerow([*(getattr(row, "phone" if name == "phones" else name) for name in names)])
