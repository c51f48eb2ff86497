"""Free ports on loopback, chosen once and remembered."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from hub.kafka import private


def choose_ports(memory: Path, say: Callable[[str], None]) -> tuple[int, int]:
    """Return the remembered (broker, controller) ports, or two new ones when there are none or one is taken."""
    try:
        port, controller = json.loads(memory.read_text())
    except (OSError, ValueError, TypeError):
        port, controller = 0, 0
    if port and free(port) and free(controller):
        return int(port), int(controller)
    if port:
        say(f"Apache Kafka: port {port} or {controller} is in use by another program; choosing others")
    port, controller = _two_free()
    private.write(memory, json.dumps([port, controller]))
    return port, controller


def free(port: int) -> bool:
    """Say whether nobody listens on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _two_free() -> tuple[int, int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(2)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        port, controller = (int(probe.getsockname()[1]) for probe in probes)
    return port, controller
