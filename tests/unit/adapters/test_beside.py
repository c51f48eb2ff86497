"""What lies in folders beside the files that sources read is told by the sources' patterns alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hub.adapters import registry
from hub.adapters.beside import Beside, Looking, waiting


def lay(folder: Path, *names: str, age: float = 7200) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        os.utime(path, (time.time() - age,) * 2)


def strays(folder: Path, *looking: Looking, outs: tuple[str, ...] = ()) -> dict[str, str]:
    return {label: key for key, label, _ in Beside(folder, looking, outs).look().strays.values()}


def test_what_no_pattern_finds_is_a_stray_with_its_time(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.csv", "in/A.CSV", "in/異動.csv.txt", "in/.hidden", "in/done/b.txt", "in/below/c.txt")
    seen = Beside(tmp_path, [Looking("juki.idou", "in/*.csv")]).look()
    assert {name for _, name in seen.strays} == {"A.CSV", "異動.csv.txt"}
    assert all(abs(at / 1000 - time.time() + 7200) < 60 for _, _, at in seen.strays.values())
    assert seen.failed == set()


def test_what_another_source_reads_or_lets_lie_is_none(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.csv", "in/b.dat", "in/b.end", "in/c.txt", "in/x.log", "in/y.pdf")
    first = Looking("juki.a", "in/*.csv")
    others = (
        Looking("juki.b", "in/*.dat", trigger="{stem}.end"),
        Looking("zei.c", "in/*.txt", leaves=("*.log",), read=False),
    )
    assert strays(tmp_path, first, *others) == {"in/y.pdf": "juki.a"}


def test_a_folder_that_only_idle_sources_look_into_is_left(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.csv")
    assert strays(tmp_path, Looking("juki.a", "in/*.dat", read=False)) == {}


def test_one_folder_by_several_names_is_one(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.csv", "in/b.csv")
    (tmp_path / "link").symlink_to("in")
    ways = [Looking("one", "link/a*.csv"), Looking("two", f"{tmp_path}/in/b*.csv"), Looking("three", "in/../in/c*.csv")]
    assert strays(tmp_path, *ways) == {}


def test_folders_may_be_patterns(tmp_path: Path) -> None:
    lay(tmp_path, "in/juki/a.csv", "in/juki/A.CSV", "in/done/B.CSV", "in/x.csv")
    assert strays(tmp_path, Looking("juki.a", "in/*/*.csv")) == {"in/juki/A.CSV": "juki.a"}


def test_where_a_receiver_writes_and_the_citys_own_folder_are_left(tmp_path: Path) -> None:
    lay(tmp_path, "out/a.txt", "hub.txt", "in/a.txt")
    looking = [Looking(name, f"{name}/*.csv") for name in ("out", "in")]
    assert strays(tmp_path, Looking("own", "x.csv"), *looking, outs=("out/",)) == {"in/a.txt": "in"}


def test_unfinished_names_are_told_when_they_are_so_for_long_and_what_a_screen_leaves_never(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.csv.filepart", "in/Thumbs.db", "in/~$a.xlsx", "in/desktop.ini")
    lay(tmp_path, "in/b.csv.tmp", age=600)
    assert strays(tmp_path, Looking("juki.a", "in/*.csv", leaves=("*.filepart",))) == {}
    for pattern in ("in/*.csv", "in/*"):
        assert strays(tmp_path, Looking("juki.a", pattern)) == {"in/a.csv.filepart": "juki.a"}


def test_a_folder_that_is_not_there_has_nothing_and_one_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Beside(tmp_path, [Looking("juki.a", "in/*.csv")]).look()
    assert (seen.strays, seen.failed) == ({}, set())
    assert not (tmp_path / "in").exists()
    lay(tmp_path, "in/a.txt")

    def refused(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refused)
    seen = Beside(tmp_path, [Looking("juki.a", "in/*.csv")]).look()
    assert (seen.strays, seen.failed) == ({}, {"juki.a"})


def test_a_link_that_leads_round_is_no_harm(tmp_path: Path) -> None:
    lay(tmp_path, "in/a.txt", "in/b/c.txt")
    for name in ("in/loop", "in/b/loop"):
        (tmp_path / name).symlink_to(tmp_path / name)
    looking = Looking("juki.a", "in/*.csv"), Looking("juki.b", "in/*/*.csv")
    assert strays(tmp_path, *looking) == {"in/a.txt": "juki.a", "in/b/c.txt": "juki.b"}


def test_a_name_that_is_no_utf_8_is_a_name(tmp_path: Path) -> None:
    lay(tmp_path, os.fsdecode("in/異動.CSV".encode("cp932")))
    assert len(strays(tmp_path, Looking("juki.a", "in/*.csv"))) == 1


def test_files_of_this_machine_are_looked_at_alone() -> None:
    local = registry.looking("a.b", "csv", {"path": "in/*.csv", "trigger": "X", "leaves": ["*.log"]}, read=True)
    assert local == Looking("a.b", "in/*.csv", "X", ("*.log",), read=True)
    assert registry.looking("a.b", "csv", {"path": "s3://bucket/*.csv"}, read=True) is None
    plain = registry.looking("a.b", "csv", {"path": "in/*.csv", "trigger": None, "leaves": None}, read=True)
    assert plain == Looking("a.b", "in/*.csv")
    assert registry.looking("a.b", "database", {"table": "t"}, read=True) is None


def test_a_sources_own_files_that_lie_there_for_long_wait(tmp_path: Path) -> None:
    lay(tmp_path, "in/juki/a.csv", "in/juki/b.csv.tmp", "in/juki/.c.csv", "in/juki/done/d.csv", "in/juki/E.CSV")
    lay(tmp_path, "in/juki/new.csv", age=60)
    (tmp_path / "in" / "juki" / "folder.csv").mkdir()
    found = dict(waiting(tmp_path, Looking("juki.a", "in/*/*.csv"), time.time() - 3600))
    assert list(found) == ["in/juki/a.csv"]
    assert abs(found["in/juki/a.csv"] / 1000 - time.time() + 7200) < 60
    assert list(waiting(tmp_path, Looking("juki.b", "not/there/*.csv"), time.time())) == []
    assert not (tmp_path / "not").exists(), "a look makes no folder"
