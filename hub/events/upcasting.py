"""Raising an older event's data to the current version of its type, one version at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Step = Callable[[dict[str, Any]], dict[str, Any]]


class Upcasts:
    """The steps from each older version to the next: `{("resident.moved", 1): step}` makes v2 data from v1 data.

    A step gets a copy it may change and returns the next version's data. A step is kept as long as an event of
    its version may still arrive or be replayed.
    """

    def __init__(self, steps: Mapping[tuple[str, int], Step] | None = None) -> None:
        self._steps = dict(steps or {})

    def oldest(self, name: str, current: int) -> int:
        """Return the oldest version of the type from which steps lead to `current` without a gap."""
        while (name, current - 1) in self._steps:
            current -= 1
        return current

    def raised(self, name: str, version: int, data: dict[str, Any], current: int) -> dict[str, Any]:
        """Return the data in version `current`; the data given is left as it is.

        Raises Malformed (`version-unknown`) when no chain of steps leads there, (`data`) when a step cannot read it.
        """
        for number in range(version, current):
            step = self._steps.get((name, number))
            if step is None:
                raise Malformed(f"{name} v{number} cannot be raised to v{number + 1}", code="version-unknown")
            try:
                data = step(dict(data))
            except (KeyError, TypeError, ValueError, AttributeError) as fault:
                raise Malformed(
                    f"{name} v{number} lacks what v{number + 1} is made from: {type(fault).__name__}",
                    code="data",
                    mend=f"send it as v{current}",
                ) from fault
        return data
