"""The kit as a pytest plugin, loaded by itself where the hub is installed.

    @pytest.mark.hub_adapter("desk")
    def test_it_does_what_it_declares(conformance):
        conformance()

runs every check of the adapter `desk` as a test of its own. `hub.adapters.conformance.runner` says where an adapter
names the cases it is tried on; `hub adapters check NAME` runs the same checks without pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "hub_adapter(*names): the adapters that `conformance` checks, by name or folder")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that takes `conformance` every check of the adapters that its marker names."""
    if "conformance" not in metafunc.fixturenames:
        return
    from hub.adapters import registry  # noqa: PLC0415 — only where it is asked for
    from hub.adapters.conformance.runner import checks  # noqa: PLC0415

    meant = [str(one) for mark in metafunc.definition.iter_markers("hub_adapter") for one in mark.args]
    found = [check for one in meant for name in registry.known(one) for check in checks(name)]
    metafunc.parametrize(
        "conformance", [each.run for each in found], ids=[f"{each.adapter}-{each.id}" for each in found]
    )
