"""The LAN ports of an ONU, for the families that list them in a table whose index ends with the port's number."""

from __future__ import annotations

from collections.abc import Mapping

from callcenter.diag.driver import Place, Walked
from callcenter.diag.reading import UniPort
from callcenter.diag.values import SnmpValue, not_negative, number

UP_OR_DOWN = {1: True, 2: False}


def unis(
    place: Place,
    walked: Walked,
    *,
    speeds: Mapping[int, int] | None = None,
    duplex: Mapping[int, bool] | None = None,
    modes: Mapping[int, str] | None = None,
) -> tuple[UniPort, ...]:
    """LAN ports from the columns ``link``, ``enabled`` (1 yes, 2 no), ``speed``, ``duplex``, ``pvid``, ``vlan_mode``.

    Speed and duplex are those of a port that is up; of another they are the past, or what was set. A port that the
    device lists without saying anything of it is left out, and so is number 0, which is none.
    """
    ports: dict[int, dict[str, SnmpValue]] = {}
    for name in ("link", "enabled", "speed", "duplex", "pvid", "vlan_mode"):
        for index, value in walked.get(name, {}).items():
            if len(index) > len(place.onu) and index[: len(place.onu)] == place.onu and 0 < index[-1] < 256:
                ports.setdefault(index[-1], {})[name] = value
    told = []
    for port, answers in sorted(ports.items()):

        def coded(name: str, codes: Mapping[int, bool], answers: Mapping[str, SnmpValue] = answers) -> bool | None:
            code = number(answers, name)
            return None if code is None else codes.get(code)

        up, speed, pvid, mode = (
            coded("link", UP_OR_DOWN),
            number(answers, "speed"),
            not_negative(number(answers, "pvid")),
            number(answers, "vlan_mode"),
        )
        uni = UniPort(
            port,
            up=up,
            enabled=coded("enabled", UP_OR_DOWN),
            mbps=(speeds or {}).get(speed) if up and speed is not None else None,
            full_duplex=coded("duplex", duplex or {}) if up else None,
            vlan=pvid if pvid is not None and 1 <= pvid <= 4094 else None,
            vlan_mode="" if mode is None else (modes or {}).get(mode, ""),
        )
        if uni != UniPort(port):
            told.append(uni)
    return tuple(told)
