"""No private-use character passes intake, whichever way an event comes; what only looks like one does."""

from __future__ import annotations

import pytest

from hub.errors import Malformed
from hub.events.envelope import Event
from hub.stages.records import record_of, refuse_own


def event(name: str, subject: str = "1") -> Event:
    data = {"name": name, "effective_on": "2026-11-20"}
    return Event("a", "/systems/juki", "resident.died", 1, subject, "2026-11-20T09:00:00+09:00", data)


@pytest.mark.parametrize("sign", ["\ue000", "\ue757", "\uf8ff", "\U000f0000", "\U000ffffd", "\U00100000", "\U0010fffd"])
def test_a_private_use_character_is_refused(sign):
    with pytest.raises(Malformed, match=f"U\\+{ord(sign):04X}") as caught:
        record_of(event(f"守{sign}口"), "moriguchi")
    assert caught.value.code == "gaiji"


@pytest.mark.parametrize("sign", ["\ud7fb", "豈", "\ufa19", "𠮷", "葛\U000e0100", "～", "￠", "\ufffd", "\U000e01ef"])
def test_what_is_beside_it_passes(sign):
    assert record_of(event(sign), "moriguchi")[0] == b"1"


def test_no_system_may_say_a_subject_that_the_hub_makes():
    with pytest.raises(Malformed, match="the hub's own"):
        refuse_own(event("守口", "~juki:1"))
