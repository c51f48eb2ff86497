"""An event's place in Kafka as one integer: generation (11 bits), partition (12 bits), offset (40 bits)."""

from __future__ import annotations

OFFSET_BITS = 40
PARTITION_BITS = 12


def position_of(generation: int, partition: int, offset: int) -> int:
    """Return the event position of a Kafka record."""
    return (((generation << PARTITION_BITS) | partition) << OFFSET_BITS) | offset


def stream_of(generation: int, partition: int) -> int:
    """Return the stream number of a partition in one generation of the topic."""
    return (generation << PARTITION_BITS) | partition


def generation_of(stream: int) -> int:
    """Return the generation of the topic that a stream belongs to."""
    return stream >> PARTITION_BITS


def partition_of(stream: int) -> int:
    """Return the Kafka partition of a stream."""
    return stream & ((1 << PARTITION_BITS) - 1)
