"""The facts that rules may name are those the hub keeps."""

from collections import defaultdict

from hub.events.catalogue import TYPES
from hub.events.facts import delta, empty
from hub.routing.shapes import DATA, FACTS, Choice, Unknown, is_locating, look_up, meant

ADDRESS = {"text": "京阪本通2-5-5", "postal_code": "570-8666", "town": "京阪本通"}


def paths(value, before=()):
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from paths(part, (*before, name))
    else:
        yield before


def test_every_group_of_facts_has_its_shape():
    assert set(FACTS) == set(empty())


def test_every_fact_an_event_can_teach_may_be_named():
    for name, type_ in TYPES.items():
        data = {field.name: ADDRESS if field.kind == "address" else "x" for field in type_.fields.values()}
        for path in paths(delta(name, data)):
            assert not isinstance(look_up(FACTS, path), Unknown), (name, path)


def test_every_field_of_the_catalogue_has_its_shape():
    for name, type_ in TYPES.items():
        assert set(DATA[name]) == set(type_.fields)
    assert look_up(DATA["resident.moved"], ("new_address", "town")) == "text"
    assert look_up(DATA["application.submitted"], ("answers", "any", "thing")) == "open"
    assert look_up(DATA["form.scanned"], ("fields",)) == "list"
    assert look_up(DATA["resident.died"], ("died_on",)) == "date"
    assert look_up(DATA["household.changed"], ("kind",)) == Choice(("split", "merge", "member", "head"))


def test_a_residents_status_is_one_that_some_event_states():
    data = defaultdict(lambda: "x")
    stated = {delta(name, data).get("resident", {}).get("status") for name in TYPES} - {None}
    assert set(FACTS["resident"]["status"].values) == stated


def test_an_unknown_name_says_what_is_known_there():
    found = look_up(DATA["resident.moved"], ("new_address", "twon"))
    assert (found.name, found.before) == ("twon", ("new_address",))
    assert meant(found.name, found.known) == "did you mean `town`?"
    assert look_up(DATA["resident.moved"], ("name", "first")) == Unknown("first", ("name",), ())


def test_parts_of_a_locating_field_locate():
    assert is_locating("resident.moved", ("new_address", "town"))
    assert is_locating("application.submitted", ("answers", "street"))
    assert not is_locating("resident.moved", ("name",))
    assert not is_locating("resident.moved", ("nothing",))


def test_what_has_nothing_below_it_is_found_all_the_same() -> None:
    assert look_up({"data": {}}, ("data",)) == {}
    assert look_up({"data": {}}, ("data", "name")) == Unknown("name", ("data",), ())
