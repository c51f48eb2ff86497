"""Arrays in PostgreSQL's text form: texts and numbers alone take a shorter way, to the same form."""

import pytest

from hub.ledger.bulk import array, arrays


@pytest.mark.parametrize(
    ("values", "form"),
    [
        ([], "{}"),
        ([1, -2], "{1, -2}"),
        (("a", "守口", ""), '{"a","守口",""}'),
        (["a,b", "{", "NULL"], '{"a,b","{","NULL"}'),
        (['say "a"', "b"], '{"say \\"a\\"","b"}'),
        (['","'], '{"\\",\\""}'),
        (["back\\slash"], '{"back\\\\slash"}'),
        (["a", None, 3], '{"a",NULL,3}'),
        ([b"\x00\xff"], '{"\\\\x00ff"}'),
        ([True, False], "{True,False}"),
    ],
)
def test_the_form_of_an_array(values, form):
    assert array(values) == form


def test_rows_become_columns():
    assert arrays([(1, "a", None), (2, "b", b"x")]) == ["{1, 2}", '{"a","b"}', '{NULL,"\\\\x78"}']
