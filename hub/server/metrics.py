"""Metrics in the text format that Prometheus reads.

Source: Prometheus exposition format, text version 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric and its samples: label pairs (`(("system", "juki"),)`) and a value. Labels carry no personal data."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Mapping[tuple[tuple[str, str], ...], float] = field(default_factory=dict)


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the metrics as text."""
    return "".join(_lines(metric) for metric in metrics)


def _lines(metric: Metric) -> str:
    explained = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    samples = "".join(f"{metric.name}{_labels(pairs)} {value}\n" for pairs, value in metric.samples.items())
    return f"# HELP {metric.name} {explained}\n# TYPE {metric.name} {metric.kind}\n{samples}"


def _labels(pairs: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
