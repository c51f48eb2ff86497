"""What stages ask of the concrete parts that `app.py` lends them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hub.events.envelope import Event
from hub.routing.identity import Unidentified
from hub.routing.mapping import Ignored


class Producer(Protocol):
    """A way into Kafka."""

    async def publish(
        self, topic: str, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()
    ) -> Any:
        """Return when every record (key, value) is in the topic on all replicas, in order per key.

        Raises `BrokerUnavailable`; some of the records may then be there all the same. Raises `Malformed` when the
        broker refuses a record.
        """
        ...


class RowMapper(Protocol):
    """How the rows of one source become events: `hub.routing.mapping.Mapper`."""

    def map(self, row: dict[str, Any], *, as_of_time: str) -> Event | Ignored | Unidentified:
        """Return the row's event, or why there is none, or that nobody knows whose it is; raises `Malformed`."""
        ...
