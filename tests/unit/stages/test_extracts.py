"""A full extract tells how it differs from what is known, once; what cannot be believed waits for a person."""

import pytest

from tests.unit.stages.extract_city import City, row

TARO = row("1", 3, "守口 太郎", "大日町1-1")
HANA = row("2", 5, "京阪 花子", "金田町1-1")
JIRO = row("3", 1, "淀川 次郎", "大日町2-2")


@pytest.fixture
def make(tmp_path):
    made = []

    def build(**settings):
        made.append(City(tmp_path, **settings))
        return made[-1]

    yield build
    for city in made:
        city.close()


async def test_what_is_new_and_what_has_changed_is_told_once(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, HANA)
    assert city.topic.told() == [("resident.moved-in", "1", "大日町1-1"), ("resident.moved-in", "2", "金田町1-1")]
    city.topic.events.clear()
    moved = row("1", 4, "守口 太郎", "京阪本通2-5-5")
    await city.take("ZENKEN_2.csv", moved, HANA)
    await city.take("ZENKEN_3.csv", moved, HANA)
    assert city.topic.told() == [("resident.moved", "1", "京阪本通2-5-5")]
    (event,) = city.topic.events
    assert event["data"]["old_address"] == {"text": "大日町1-1"}
    assert event["data"]["effective_on"] == "2026-11-20"
    assert event["batchid"].startswith("ZENKEN_2.csv@")
    assert (city.known, city.reviews()) == (2, [])
