"""FD12: C-Data's shell with an EPON card."""

from __future__ import annotations

from lab.clis import cdata

SCRIPT = cdata.script("cdata_fd12", "epon")
