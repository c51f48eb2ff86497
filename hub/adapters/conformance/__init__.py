"""The conformance kit: what every adapter must do, as checks that run against a real file, database or server.

An adapter's author describes a `SourceCase`, `SinkCase` or `PreparedCase` (how to open it, what its system has seen)
and runs every check of `SOURCE_CHECKS`, `SINK_CHECKS` or `PREPARED_CHECKS` on a fresh case, under pytest or without it.
A check raises `Failure`. Features are held to exactly: what is declared must hold, what is not must not be needed.
"""

from hub.adapters.conformance.cases import Failure, PreparedCase, SinkCase, SourceCase, batch, deliveries
from hub.adapters.conformance.prepared import PREPARED_CHECKS
from hub.adapters.conformance.sinks import SINK_CHECKS
from hub.adapters.conformance.sources import SOURCE_CHECKS

__all__ = [
    "PREPARED_CHECKS",
    "SINK_CHECKS",
    "SOURCE_CHECKS",
    "Failure",
    "PreparedCase",
    "SinkCase",
    "SourceCase",
    "batch",
    "deliveries",
]
