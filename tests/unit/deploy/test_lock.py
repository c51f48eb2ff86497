"""requirements.lock is what pyproject.toml asks for, with hashes and without addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = [Requirement(line) for line in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]]
LOCKS = [ROOT / "requirements.lock", ROOT / "scripts" / "uv.lock"]


def pinned(lock):
    return dict(re.findall(r"^([\w.-]+)==([^ ;\\]+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_what_the_project_asks_for_is_locked(asked):
    version = pinned(LOCKS[0]).get(canonicalize_name(asked.name))
    assert version, "run make lock"
    assert asked.specifier.contains(version), "run make lock"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_has_hashes_and_none_has_an_address(lock):
    text = lock.read_text()
    assert "://" not in text
    packages = [package for package in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if package and package[0] != "#"]
    assert len(packages) == len(re.findall(r"^[^\s#]+==", text, re.MULTILINE))
    assert all("--hash=sha256:" in package for package in packages)


def test_kafkas_jars_are_those_of_the_script_that_writes_their_lock():
    script = (ROOT / "scripts" / "lock_kafka.py").read_text()
    lock = (ROOT / "hub" / "kafka" / "kafka.lock.toml").read_text()
    for coordinate in re.findall(r'= "([\w.]+:[\w.-]+:[\w.]+)"', script):
        assert f'"{coordinate}"' in lock, "run scripts/lock_kafka.py"
