"""Expressions as app.py lends them to sinks."""

from __future__ import annotations

from typing import Any

from hub.adapters.contract import Batch, Delivery, Expressions
from hub.errors import Malformed
from hub.routing.expressions import ExpressionFault, Missing, compile_expression

ROOTS = {"event", "data", "subject", "delivery", "batch"}


def _compiled(text: str, _place: str = "") -> Any:
    compiled = compile_expression(text, roots=ROOTS)

    def value(delivery: Delivery, batch: Batch) -> Any:
        scope = {
            "event": {**delivery.event, "type": delivery.type},
            "data": delivery.data,
            "subject": delivery.subject,
            "delivery": {"key": delivery.key, "no": delivery.no, "action": delivery.action},
            "batch": {"no": batch.no, "date": batch.date},
        }
        try:
            return compiled.evaluate(scope)
        except Missing:
            return None
        except ExpressionFault as fault:
            raise Malformed(fault.message, code="expression") from None

    return value


REAL = Expressions(_compiled)
