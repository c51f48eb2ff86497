"""A source that is read whole each time: a query in `mode: snapshot`, or any extract taken as the baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.adapters.contract import Source, SourceBatch


class Whole:
    """Reads another source from its start, whatever was read before.

    A query has no position worth keeping, and what has no rows is still an extract: an empty one.
    """

    def __init__(self, source: Source, *, files: bool) -> None:
        self._source = source
        self._files = files

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:  # noqa: ARG002
        """Yield all rows there are now."""
        any_batch = False
        for batch in self._source.read(None):
            any_batch = True
            if not self._files:
                batch.position = {}
            yield batch
        if not any_batch and not self._files:
            yield SourceBatch([], {}, "query", "query")

    @property
    def settling(self) -> float:
        """Return what the source says of files that it leaves alone."""
        return float(getattr(self._source, "settling", 0.0))

    def acknowledge(self, batch: SourceBatch) -> None:
        """Acknowledge as the source does."""
        self._source.acknowledge(batch)
