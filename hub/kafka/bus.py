"""The bus: what stages are given to publish to Kafka and to listen to it."""

from __future__ import annotations

from hub.kafka.consumer import Consumer, ConsumerState, PositionLost
from hub.kafka.producer import Producer, partition_of

__all__ = ["Consumer", "ConsumerState", "PositionLost", "Producer", "partition_of"]
