"""What a receiver's expression cannot do at delivery is told at the line where it stands."""

from types import SimpleNamespace

import pytest

from hub.adapters.contract import Batch, Delivery
from hub.app import Hub
from hub.errors import Malformed
from hub.routing.expressions import Environment
from hub.settings.load import load_city

SYSTEM = """\
system: kaigo
receives:
  adapter: csv
  path: out/
  name: '"x" + batch.no'
  columns: {番号: subject, 数: int(subject)}
"""


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("int(subject)", "", "systems/kaigo.yaml:6:29"),
        ('"x" + batch.no', "", "systems/kaigo.yaml:5:9"),
        ("int(subject)", "layouts/kaigo.yaml:3:9", "layouts/kaigo.yaml:3:9"),
    ],
)
def test_a_fault_at_delivery_names_its_own_line(tmp_path, text, place, told):
    (tmp_path / "systems").mkdir()
    (tmp_path / "hub.yaml").write_text("", "utf-8")
    (tmp_path / "systems" / "kaigo.yaml").write_text(SYSTEM, "utf-8")
    (receiver,) = load_city(tmp_path, environ={}).receivers()
    compiled = Hub._sink_expression(SimpleNamespace(environment=Environment()), text, receiver, place)
    delivery = Delivery("k", 1, "e", "resident.died", "not a number", "2026-11-20T09:00:00Z", b'{"data":{}}')
    with pytest.raises(Malformed) as fault:
        compiled(delivery, Batch("kaigo.main", 1, "2026-11-20", [delivery]))
    assert fault.value.place == told
