"""What an adapter lets be known: everything it logs, and what its errors and its objects say of themselves."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from hub.adapters.conformance.cases import expect

PERSONAL = "守口"  # in the name of every resident the kit speaks of


class Hearing(logging.Handler):
    """Hears every log record from INFO upwards while the block lasts; `note` adds what is shown elsewhere."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._logged: list[str] = []
        self._shown: list[str] = []
        self._level = logging.WARNING

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self)
        root.setLevel(min(self._level or logging.INFO, logging.INFO))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        logging.getLogger().setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record down, with its traceback."""
        self._logged.append(logging.Formatter().format(record))

    def note(self, *shown: Any) -> None:
        """Take down what a person may read: an error with its causes, or the `repr` of an object."""
        for one in shown:
            if isinstance(one, BaseException):
                self._shown += [f"{cause} {cause!r}" for cause in _causes(one)]
            else:
                self._shown.append(repr(one))

    def expect_silence(self, secrets: Iterable[str]) -> None:
        """Expect that no secret was said anywhere, and no resident's name in a log."""
        for secret in secrets:
            expect(not any(secret in text for text in self._logged), "a secret stands in the log")
            expect(not any(secret in text for text in self._shown), "a secret stands in an error or a `repr`")
        expect(not any(PERSONAL in text for text in self._logged), "a resident's name stands in the log")


def _causes(error: BaseException | None) -> Iterable[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
