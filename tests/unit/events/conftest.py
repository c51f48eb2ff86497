from copy import deepcopy
from typing import Any

import pytest

MOVED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "0001",
    "source": "/systems/juki",
    "type": "resident.moved",
    "subject": "1000001",
    "time": "2026-11-20T09:30:00+09:00",
    "sequence": 12,
    "data": {
        "effective_on": "2026-11-19",
        "name": "守口 太郎",
        "old_address": {"text": "守口市京阪本通2丁目5番5号", "postal_code": "570-8666"},
        "new_address": {"text": "守口市大日町1丁目1番1号", "postal_code": "5700003", "municipality_code": "272094"},
    },
}


@pytest.fixture
def moved() -> dict[str, Any]:
    return deepcopy(MOVED)
