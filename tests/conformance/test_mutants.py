"""A fault in any of the hub's adapters is found by the kit: each mutant fails one of its checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import Failure, PreparedCase, SourceCase, sinks
from hub.adapters.conformance.runner import checks_of, run
from tests.conformance.mutants import Mutant, PreparedMutant, SinkMutant, SourceMutant, concrete

KINDS = {"source": SourceMutant, "sink": SinkMutant, "prepared": PreparedMutant}


def _kind(case: Any) -> str:
    if isinstance(case, SourceCase):
        return "source"
    return "prepared" if isinstance(case, PreparedCase) else "sink"


def _mutants(tmp: Path) -> Iterator[Any]:
    for name in registry.own_names():
        for number, factory in enumerate(registry.cases(name)):
            folder = tmp / f"{name}-{number}"
            folder.mkdir(parents=True)
            case = factory(folder)
            kind = _kind(case)
            for mutant in concrete(KINDS[kind]):
                if mutant.differs(case):
                    yield pytest.param(factory, mutant, id=f"{name}-{number}-{kind}-{mutant.__name__}")
            case.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mutant" in metafunc.fixturenames:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            metafunc.parametrize(("factory", "mutant"), list(_mutants(Path(folder))))


def test_the_kit_finds_the_fault(
    factory: Any, mutant: type[Mutant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sinks, "TRIES", 10)

    def faulty(folder: Path) -> Any:
        case = factory(folder)
        sound = case.open
        case.open = lambda: mutant(sound(), case)
        return case

    case = faulty(tmp_path)
    case.close()
    check = next(each for each in checks_of(case) if each.__name__ == mutant.first)
    with pytest.raises(Failure) as found:
        run(faulty, check)
    assert found.value.__cause__ is None or mutant.breaks, "the kit found an error of the mutant's own"


# What needs more than a package can bring is tried by tests: a REST service with faults, a broker, the hub's server.
ELSEWHERE = {"http": {"source"}, "kafka": {"source"}, "pull": {"sink"}}


@pytest.mark.parametrize("name", registry.own_names())
def test_every_adapter_of_the_hubs_says_what_it_is_tried_on(name: str) -> None:
    kinds = set(ELSEWHERE.get(name, ()))
    mend = 'name its cases in pyproject.toml under [project.entry-points."hub.conformance"]'
    assert kinds or registry.cases(name), mend
    import tempfile

    for factory in registry.cases(name):
        with tempfile.TemporaryDirectory() as folder:
            case = factory(Path(folder))
            case.close()
            assert case.adapter is registry.find(name)
            kinds.add("source" if isinstance(case, SourceCase) else "sink")
    features = registry.find(name).features
    assert kinds == {side for side in ("source", "sink") if getattr(features, side)}
