"""Plugins are found by entry point, file and module, and one that cannot be used is named with where it came from."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import PluginError
from gateway.plugin.registry import Registry, UnknownType

SINK = """
from gateway import Options, Sink

class Noted(Sink):
    "Writes nothing."
    type = "noted"
    class Options(Options):
        text: str = "x"
    async def deliver(self, delivery):
        return self.options.text
"""


def _file(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(textwrap.dedent(text))
    (folder / name).chmod(0o600)
    return f"./{name}"


def _distribution(folder: Path, name: str, entries: dict[str, str], modules: dict[str, str]) -> None:
    """A distribution as pip leaves it: metadata, entry points and modules in one folder of the path."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "\n".join(f"{key} = {value}" for key, value in entries.items())
    (info / "entry_points.txt").write_text(f"[recording_gateway]\n{points}\n")
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(text))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if not name.startswith(("gateway", "plugins")):
            del sys.modules[name]


def test_the_built_in_types_come_through_entry_points() -> None:
    registry = Registry()
    assert {"console", "file", "forward"} <= set(registry.sink_types())
    assert "huawei-live" in registry.source_types()
    assert registry.sink("console").type == "console"
    assert registry.origin("sink", "console").startswith("recording-gateway ")


def test_an_unknown_type_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownType, match="no sink type 'forwrad'") as caught:
        Registry().sink("forwrad")
    assert caught.value.near == "forward"


def test_a_class_in_a_listed_file_needs_no_hook(tmp_path: Path) -> None:
    registry = Registry([_file(tmp_path, SINK)], tmp_path)
    assert registry.sink("noted").type == "noted"
    assert "noted" in registry.sink_types()
    assert [str(tmp_path / "mine.py")] == [one.origin for one in registry.installed() if one.name == "noted"]


def test_a_hook_registers_classes_that_were_made_elsewhere(tmp_path: Path) -> None:
    made = (
        SINK.replace('type = "noted"', "")
        + """
from gateway import hookimpl

@hookimpl
def register_sinks():
    return [type("Made", (Noted,), {"type": "made"})]
"""
    )
    assert Registry([_file(tmp_path, made)], tmp_path).sink("made").type == "made"


def test_a_module_on_the_path_is_loaded(path: Path) -> None:
    (path / "my_sinks.py").write_text(SINK)
    assert Registry(["my_sinks"]).sink("noted").type == "noted"


def test_an_installed_type_is_loaded_only_when_it_is_asked_for(path: Path) -> None:
    _distribution(path, "acme-sinks", {"sink.noted": "acme_sinks:Noted"}, {"acme_sinks": SINK})
    registry = Registry()
    assert "noted" in registry.sink_types()
    assert "acme_sinks" not in sys.modules
    assert registry.sink("noted").__module__ == "acme_sinks"
    assert registry.origin("sink", "noted") == "acme-sinks 1.0"


def test_an_installed_hook_plugin_is_active_only_when_it_is_listed(path: Path) -> None:
    watcher = (
        "from gateway import hookimpl\nseen = []\n@hookimpl\ndef event_stored(event, sinks):\n    seen.append(event)\n"
    )
    _distribution(path, "acme-watch", {"plugin.watch": "acme_watch"}, {"acme_watch": watcher})
    assert not Registry().hook.event_stored.get_hookimpls()
    assert len(Registry(["watch"]).hook.event_stored.get_hookimpls()) == 1


def test_two_distributions_with_one_type_are_both_named(path: Path) -> None:
    _distribution(path, "acme-sinks", {"sink.noted": "acme_sinks:Noted"}, {"acme_sinks": SINK})
    _distribution(path, "other-sinks", {"sink.noted": "other_sinks:Noted"}, {"other_sinks": SINK})
    with pytest.raises(PluginError, match=r"acme-sinks 1\.0.*other-sinks 1\.0|other-sinks 1\.0.*acme-sinks 1\.0"):
        Registry().sink("noted")


def test_two_files_with_one_type_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    entry = _file(tmp_path / "first", SINK)
    with pytest.raises(PluginError, match=r"sink type 'noted': .*first/mine\.py and .*/mine\.py; remove one"):
        Registry([f"./first/{entry.removeprefix('./')}", _file(tmp_path, SINK)], tmp_path)


def test_an_installed_plugin_may_be_an_object_and_never_counts_as_edited(path: Path) -> None:
    watcher = (
        "from gateway import hookimpl\nclass Watch:\n    @hookimpl\n    def event_stored(self, event, sinks): ...\n"
        "WATCH = Watch()\n"
    )
    _distribution(path, "acme-watch", {"plugin.watch": "acme_watch:WATCH"}, {"acme_watch": watcher})
    registry = Registry(["watch"])
    assert len(registry.hook.event_stored.get_hookimpls()) == 1
    (path / "acme_watch.py").write_text("")
    assert registry.edited() == []


def test_a_file_that_is_gone_is_no_longer_what_was_imported(tmp_path: Path) -> None:
    entry = _file(tmp_path, SINK)
    registry = Registry([entry], tmp_path)
    assert registry.edited() == []
    (tmp_path / entry).unlink()
    assert registry.edited() == [entry]


def test_a_file_that_brings_a_built_in_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="two plugins bring the sink type 'console'"):
        Registry([_file(tmp_path, SINK.replace('"noted"', '"console"'))], tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (mine.py, line 1)"),
        ("import json\njson.loads('[')", "(mine.py, line 2)"),
        ("raise SystemExit(3)", "SystemExit"),
        ("class Panic(BaseException): pass\nraise Panic('a library in Rust')", "Panic: a library in Rust"),
        ("def (", "SyntaxError"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
        ("from gateway import hookimpl\n@hookimpl\ndef event_stord(event): ...", "event_stord"),
        ("from gateway import hookimpl\n@hookimpl\ndef event_stored(event, sink): ...", "sink"),
        ("from gateway import hookimpl\n@hookimpl\ndef register_sinks(): return 5", "must return a list"),
        (
            "from gateway import hookimpl\n@hookimpl\ndef register_sinks(): return [int]",
            "not a subclass of gateway.Sink",
        ),
        (
            "from gateway import hookimpl\n@hookimpl\ndef register_sinks(): return [[]]",
            "[] is not a subclass of gateway.Sink",
        ),
        ("from gateway import hookimpl\n@hookimpl\ndef register_sinks(): raise KeyError('x')", "KeyError"),
        (
            SINK.replace("class Options(Options):\n        text: str = ", "Options = dict; x = "),
            "Options is not a pydantic model",
        ),
        (SINK.replace('"noted"', '""'), 'Noted has no type; add `type = "…"` to the class'),
        (SINK.replace('"noted"', "7"), "Noted has no type"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        Registry([_file(tmp_path, text)], tmp_path)
    assert said in str(caught.value)
    assert "mine" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("../../x.py", "outside"),
        ("./absent.py", "cannot read"),
        ("no_such_module_here", "no module named"),
        ("plugins.my_own", "list a file as ./plugins/name.py"),
        ("./folder/", "is not a file"),
        ("./notes.txt", r"notes\.txt cannot be imported as Python"),
    ],
)
def test_an_entry_that_leads_nowhere_is_refused_by_name(tmp_path: Path, entry: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").touch(mode=0o644)
    with pytest.raises(PluginError, match=said):
        Registry([entry], tmp_path)


def test_a_file_everybody_may_write_is_refused(tmp_path: Path) -> None:
    entry = _file(tmp_path, SINK)
    (tmp_path / "mine.py").chmod(0o666)
    with pytest.raises(PluginError, match="chmod o-w"):
        Registry([entry], tmp_path)


def test_an_entry_listed_twice_is_refused(tmp_path: Path) -> None:
    entry = _file(tmp_path, SINK)
    with pytest.raises(PluginError, match="twice"):
        Registry([entry, entry], tmp_path)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("acme:Missing", "AttributeError"),
        ("acme:number", "not a subclass"),
        ("acme:Noted", "entry point says 'other'"),
        ("absent:X", "absent"),
    ],
)
def test_a_broken_entry_point_names_its_distribution(path: Path, target: str, said: str) -> None:
    _distribution(path, "acme", {"sink.other": target}, {"acme": SINK + "\nnumber = 5\n"})
    with pytest.raises(PluginError, match=said) as caught:
        Registry().sink("other")
    assert "acme 1.0" in str(caught.value)


def test_a_users_own_plugins_folder_does_not_stand_in_front_of_ours(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "sinks").mkdir(parents=True)
    (tmp_path / "plugins" / "__init__.py").write_text("raise RuntimeError('the wrong plugins')")
    (tmp_path / "plugins" / "sinks" / "__init__.py").write_text("")
    script = "from gateway.plugin.registry import Registry; print(Registry().sink('console').__module__)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "plugins.sinks.console", done.stderr


def test_a_users_plugins_package_that_was_imported_before_gives_way_with_all_its_modules(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "sinks").mkdir(parents=True)
    for file in ("__init__.py", "sinks/__init__.py", "sinks/console.py"):
        (tmp_path / "plugins" / file).write_text("theirs = True")
    script = (
        "import plugins.sinks.console as before; from gateway.plugin.registry import Registry; "
        "print(before.theirs, Registry().sink('console').type)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True console", done.stderr


def test_a_file_is_loaded_once_for_two_registries(tmp_path: Path) -> None:
    entry = _file(tmp_path, SINK)
    assert Registry([entry], tmp_path).sink("noted") is Registry([entry], tmp_path).sink("noted")


def test_a_helper_beside_a_file_is_no_module_and_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("")
    with pytest.raises(PluginError, match=r"helper\.py beside it is not on Python's path"):
        Registry([_file(tmp_path, "import helper")], tmp_path)


def test_a_module_that_exits_when_it_is_imported_is_named(path: Path) -> None:
    (path / "leaving.py").write_text("raise SystemExit(3)")
    with pytest.raises(PluginError, match="leaving cannot be imported: SystemExit: 3"):
        Registry(["leaving"])
    (path / "panicking.py").write_text("class Panic(BaseException): pass\nraise Panic")
    with pytest.raises(PluginError, match="panicking cannot be imported: Panic"):
        Registry(["panicking"])


def test_a_module_that_lacks_another_one_is_named_with_it(path: Path) -> None:
    (path / "needing.py").write_text("import nowhere_to_be_found")
    with pytest.raises(PluginError, match=r"No module named 'nowhere_to_be_found' \(needing.py, line 1\)"):
        Registry(["needing"])


@pytest.mark.parametrize("entry", ["interrupted", "./interrupted.py"])
def test_a_person_who_interrupts_an_import_is_heard(path: Path, entry: str) -> None:
    (path / "interrupted.py").write_text("raise KeyboardInterrupt")
    (path / "interrupted.py").chmod(0o644)
    with pytest.raises(KeyboardInterrupt):
        Registry([entry], path)
