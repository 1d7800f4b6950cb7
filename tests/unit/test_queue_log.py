"""``queue_log`` as a witness reads it: callers and queues; whatever else a caller put into it is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.calls.queue_log import QueueRow, queue_row
from callcenter.words import UniqueId

CALL = UniqueId("pbx1-1795381653.52")


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (
            "1795381655|pbx1-1795381653.52|skynet|NONE|ENTERQUEUE||0632222222|1",
            QueueRow(1795381655, CALL, "skynet", "ENTERQUEUE", "0632222222"),
        ),
        (
            "1795381655|pbx1-1795381653.52|skynet|NONE|ENTERQUEUE||063|22|1",
            QueueRow(1795381655, CALL, "skynet", "ENTERQUEUE", "063|22"),
        ),
        (
            "1795381656|pbx1-1795381653.52|skynet|NONE|ABANDON|1|1|1",
            QueueRow(1795381656, CALL, "skynet", "ABANDON", ""),
        ),
        ("1795381668|NONE|NONE|NONE|QUEUESTART|", QueueRow(1795381668, UniqueId(""), "", "QUEUESTART", "")),
        ("1795381671|pbx1-1795381653.52|skynet|101|CONNECT|1|pbx1-1795381670.28|0", None),
        ("1795381655|pbx1-1700000000.52|skynet|NONE|ENTERQUEUE||063|1", None),
        ("1795381655|../../etc|skynet|NONE|ENTERQUEUE||063|1", None),
        ("|ABANDON|", None),
        ("٣|x|y|z|ENTERQUEUE", None),
        ("", None),
    ],
)
def test_a_line_is_a_row_or_nothing(line: str, row: QueueRow | None) -> None:
    assert queue_row(line.encode()) == row


@given(st.binary(max_size=200))
def test_no_bytes_raise(raw: bytes) -> None:
    queue_row(raw)
    queue_row(b"1795381655|pbx1-1795381653.52|" + raw)
