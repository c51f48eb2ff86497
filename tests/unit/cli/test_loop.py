"""What a command asks of the C library's memory."""

import pytest

from hub.cli import loop


@pytest.mark.parametrize("said", [(), ("MALLOC_ARENA_MAX",), ("MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_")])
def test_the_environment_has_the_last_word_on_memory(monkeypatch, said):
    asked = []

    class Library:
        @staticmethod
        def mallopt(parameter: int, value: int) -> None:
            asked.append((parameter, value))

    for name in loop._GLIBC:
        monkeypatch.delenv(name, raising=False)
    for name in said:
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr(loop.ctypes, "CDLL", lambda _: Library)
    loop.keep_memory_small()
    assert asked == [parameter for name, parameter in loop._GLIBC.items() if name not in said]


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(loop.ctypes, "CDLL", lambda _: object())
    loop.keep_memory_small()
