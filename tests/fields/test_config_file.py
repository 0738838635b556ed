"""A file that an option names is another one once it was exchanged."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway import ConfigFile, Options
from gateway.fields.config_file import NamedFile, named_files


class Named(Options):
    ca: ConfigFile | None = None
    rest: tuple[ConfigFile, ...] = ()


def test_equal_where_path_and_content_are(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("monday")
    monday = Named(ca=file)
    assert monday == Named(ca=file)
    assert monday.ca == file
    assert str(monday.ca) == str(file)
    file.write_text("tuesday")
    assert monday != Named(ca=file)
    assert hash(monday.ca) == hash(NamedFile.as_found(file))
    file.unlink()
    gone = Named(ca=file)
    assert gone != monday
    assert gone == Named(ca=file)


def test_copies_are_equal_and_what_is_made_of_it_is_a_path(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("monday")
    named = NamedFile.as_found(file)
    file.write_text("tuesday")
    for copied in (copy.copy(named), copy.deepcopy(named), pickle.loads(pickle.dumps(named))):
        assert copied == named
        assert copied.digest == named.digest != NamedFile.as_found(file).digest
    assert named.parent / "ca.pem" == file
    assert named.with_suffix(".key") == tmp_path / "ca.key"


def test_a_relative_one_is_beside_the_configuration_and_all_are_found(tmp_path: Path) -> None:
    options = Named.model_validate({"ca": "a.pem", "rest": ["b.pem", "/c.pem"]}, context={"base": tmp_path})
    assert list(named_files([options, None])) == [tmp_path / "a.pem", tmp_path / "b.pem", Path("/c.pem")]


def test_what_is_there_and_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "ca.pem"
    os.mkfifo(pipe)
    for path, kind in ((pipe, "a named pipe"), (tmp_path, "a folder"), (Path("/dev/null"), "a device")):
        for given in ({"ca": path}, {"rest": [path]}):
            with pytest.raises(
                ValidationError, match=f"a regular file, .*: {path} is {kind}; write its content into a file"
            ):
                Named.model_validate(given)
        assert NamedFile.as_found(path).digest == b""


def test_what_is_not_there_is_for_whoever_opens_it(tmp_path: Path) -> None:
    for path in (tmp_path / "none", Path("x" * 300)):
        named = Named(ca=path)
        assert named == Named(ca=path)
        assert isinstance(named.ca, NamedFile)
        assert named.ca.digest == b""
