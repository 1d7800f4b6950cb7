"""FD16: C-Data's shell with a GPON card."""

from __future__ import annotations

from lab.clis import cdata

SCRIPT = cdata.script("cdata_fd16", "gpon")
