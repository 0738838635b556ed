"""Entry points are those that `importlib.metadata` finds."""

from __future__ import annotations

import importlib.metadata
import sys
import zipfile
from pathlib import Path

import pytest

from gateway.runtime import entry_points as own


def _both(group: str) -> tuple[set[tuple[str, str, str]], set[tuple[str, str, str]]]:
    theirs = importlib.metadata.entry_points(group=group)
    return (
        {(one.name, one.value, one.origin()) for one in own.entry_points(group)},
        {
            (one.name, one.value, f"{one.dist.metadata['Name']} {one.dist.metadata['Version']}")
            for one in theirs
            if one.dist
        },
    )


@pytest.mark.parametrize("group", ["recording_gateway", "console_scripts", "pytest11", "no.such.group"])
def test_they_are_what_the_standard_library_finds(group: str) -> None:
    mine, theirs = _both(group)
    assert mine == theirs
    assert mine or group == "no.such.group"


def _distribution(folder: Path, name: str, points: str, *, version: str = "1.0", info: str = "dist-info") -> None:
    place = folder / f"{name}-{version}.{info}"
    place.mkdir(parents=True)
    description = "METADATA" if info == "dist-info" else "PKG-INFO"
    (place / description).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: no\n")
    (place / "entry_points.txt").write_text(points)


def test_they_are_read_whatever_way_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    _distribution(
        first,
        "One_More",
        "# words\n[x]\na=m:o\n\n [mine.group] \nb.c =  json : JSONDecoder.decode [extra]\n# d = e\n[y]\nb = c\n",
    )
    _distribution(second, "one_more", "[mine.group]\nhidden = by:first\n", version="2.0")
    _distribution(second, "egg", "[mine.group]\negg = math\n", info="egg-info")
    (second / "rest.txt").touch()
    for folder in (second, first):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.syspath_prepend(str(tmp_path / "not there"))
    mine, theirs = _both("mine.group")
    assert mine == theirs == {("b.c", "json : JSONDecoder.decode [extra]", "One_More 1.0"), ("egg", "math", "egg 1.0")}
    found = {one.name: one.load() for one in own.entry_points("mine.group")}
    import json
    import math

    assert found == {"b.c": json.JSONDecoder.decode, "egg": math}


def test_in_an_archive_of_the_path_they_are_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("one-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")
        archive.writestr("one-1.0.dist-info/entry_points.txt", "[mine.group]\nd = math:pi\n")
    monkeypatch.syspath_prepend(str(tmp_path / "one.zip"))
    (entry,) = own.entry_points("mine.group")
    assert (entry.name, entry.origin(), entry.load()) == ("d", "one 1.0", 3.141592653589793)


def test_an_importer_with_distributions_of_its_own_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class One(importlib.metadata.Distribution):
        def read_text(self, filename: str) -> str | None:
            return {"METADATA": "Name: one\nVersion: 1.0\n", "entry_points.txt": "[mine.group]\ne = math\n"}.get(
                filename
            )

        def locate_file(self, path: object) -> Path:
            return Path(str(path))

    class Importer(importlib.metadata.DistributionFinder):
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, context: object = None) -> list[One]:
            return [One()]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Importer()])
    (entry,) = own.entry_points("mine.group")
    assert (entry.name, entry.value, entry.origin()) == ("e", "math", "one 1.0")
