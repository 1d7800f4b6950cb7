"""What we carry of others in ``static/vendor`` is what its recipe made, and says whose it is."""

from __future__ import annotations

import hashlib

from callcenter.desk.pages import STATIC

VENDOR = STATIC / "vendor"


def test_the_bundle_is_the_one_its_recipe_made() -> None:
    licences = (VENDOR / "LICENSES.txt").read_text("utf-8")
    bundles = list(VENDOR.glob("*.js"))
    made = [f"{hashlib.sha256(each.read_bytes()).hexdigest()}  {each.name}" for each in bundles]
    assert made == licences.splitlines()[1:2]


def test_every_package_in_it_is_named_with_its_licence() -> None:
    licences = (VENDOR / "LICENSES.txt").read_text("utf-8")
    for package in ("jssip", "debug", "events", "ms", "sdp-transform"):
        assert f"\n---- {package} " in licences
    assert licences.count("WITHOUT WARRANTY OF ANY KIND") == 5
