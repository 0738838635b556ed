"""Python that `plugins:` lists: imported once in the life of the process, and known when it was edited since."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final

from gateway.errors import PluginError
from gateway.text.regular_file import open_regular

_imported: Final[dict[str, bytes]] = {}  # by module name: what its file was like when it was imported


def remember(module: ModuleType) -> None:
    """Note what the module's file is like, the first time it is asked for."""
    _imported.setdefault(module.__name__, _digest(module))


def is_edited(module: ModuleType) -> bool:
    """Whether its file is not what was imported: then only a restart reads it."""
    return _digest(module) != _imported.get(module.__name__)


def _digest(module: ModuleType) -> bytes:
    try:
        with open_regular(module.__file__ or "") as file:
            return hashlib.sha256(file.read()).digest()
    except OSError:
        return b""


def import_file(path: Path) -> ModuleType:
    """The module of a listed file, run at the first time only. Raises what the file raises."""
    name = f"gateway_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, because dataclasses and pydantic look their module up
    remember(module)  # before it runs too: whoever saves it meanwhile has edited it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        _imported.pop(name, None)
        del sys.modules[name]
        raise
    return module


def loading_error(error: BaseException, file: str = "") -> str:
    """What loading raised, with the line of the plugin's own code that led there. `file`: the listed file, beside which a module
    may lie that Python does not find."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename == file] if file.endswith(".py") else []
    others = [frame for frame in frames if not frame.filename.startswith("<") and not _is_loading(frame.filename)]
    at = (ours or others)[-1:]
    place = (
        "" if isinstance(error, SyntaxError) else "".join(f" ({Path(f.filename).name}, line {f.lineno})" for f in at)
    )
    text = f"{type(error).__name__}: {error}{place}"
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing and file and (Path(file).parent / f"{missing}.py").is_file():
        text += f"; a listed file is loaded by itself, and {missing}.py beside it is not on Python's path: write a package of both"
    return text


def _is_loading(filename: str) -> bool:
    return filename.startswith((str(Path(__file__).parent), str(Path(importlib.__file__).parent)))


def own_the_plugins_package() -> None:
    """Bind the name `plugins` to the package beside `gateway`, so that a user's own ./plugins/ cannot stand in front of it."""
    beside = Path(__file__).resolve().parents[2] / "plugins"
    bound = sys.modules.get("plugins")
    if bound is not None and list(getattr(bound, "__path__", [])) == [str(beside)]:
        return
    spec = importlib.util.spec_from_file_location(
        "plugins", beside / "__init__.py", submodule_search_locations=[str(beside)]
    )
    if spec is None or spec.loader is None or not (beside / "__init__.py").is_file():
        return  # a build without built-ins: entry points decide alone
    module = importlib.util.module_from_spec(spec)
    sys.modules["plugins"] = module
    spec.loader.exec_module(module)
    for name in [name for name in sys.modules if name.startswith("plugins.")]:
        if not str(getattr(sys.modules[name], "__file__", "")).startswith(str(beside)):
            del sys.modules[name]
