"""The structure that docs/architecture.md draws: imports go down, and the core knows no vendor."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.names import columns_by_place, constants, is_number, long_lived, shared, types, variables, words_of
from tests.syntax import OURS, ROOT, nodes, python_files, tree

FLOORS = (
    {"version", "compact_json", "errors", "extras", "model", "follow_up", "signing", "states"},
    {"events", "text"},
    {"fields", "runtime"},
    {"egress", "plugin", "store", "where"},
    {"routing", "owners", "store_keeper", "watchdog"},
    {"config"},
    {"dispatch", "reload"},
    {"intake", "admin", "alarms", "recordings", "reconcile", "web"},
    {"assembly", "reloader"},
    {"app"},
    {"cli", "testing", "__main__", "__init__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FILE_LINES_MAX = 300
SHARED_BY_SINKS = {"cards", "storage", "streams"}  # rooms on the sinks' shelf that are no sinks
SINK_FILES = {"console", "file"}  # sinks that are one file; `append_file` beside them is shared
VENDORS = (
    *("huawei", "tencent", "alibaba", "volcengine", "cloudflare", "livekit", "agora", "zoom", "twilio"),
    *(
        "feishu",
        "lark",
        "dingtalk",
        "wecom",
        "slack",
        "discord",
        "telegram",
        "mattermost",
        "rocket.chat",
        "rocket_chat",
    ),
)
_ELSEWHERE = re.compile(
    r"\b(?:SIG|ADM|OUT|CFG|ING|SUP)-[0-9]{2}\b|\b(?:OUT[B]OX|DES[I]GN)\b"
)  # papers that are not here


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """The modules a file imports, wherever in it: those for the type checker too, which follows them as a reader does."""
    return tuple(_imported(nodes(path)))


def _imported(file: Iterable[ast.AST]) -> Iterator[str]:
    for node in file:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "gateway":
                yield from (f"gateway.{name.name}" for name in node.names if f"{name.name}" in FLOOR)


@cache
def _modules() -> dict[str, Path]:
    """Our modules by their dotted names."""
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in OURS}
    return {".".join(name[:-1] if name[-1] == "__init__" else name): path for path, name in parts.items()}


@cache
def _files_imported(name: str) -> frozenset[str]:
    """The modules of ours that one imports: `from package import module` is an import of the module."""
    ours = _modules()
    wanted: set[str] = set()
    for node in nodes(ours[name]):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            wanted |= inner & ours.keys() or {node.module}
    return frozenset(wanted & ours.keys() - {name})


def circles(imports: Callable[[str], Iterable[str]], names: Iterable[str]) -> list[list[str]]:
    """The groups of two and more that lead to each other, in whatever number of steps (Tarjan, without recursion)."""
    number: dict[str, int] = {}
    least: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []
    done: set[str] = set()
    for start in names:
        work = [(start, iter(sorted(imports(start))))] if start not in number else []
        while work:
            name, rest = work[-1]
            if name not in number:
                number[name] = least[name] = len(number)
                path.append(name)
            for other in rest:
                if other not in number:
                    work.append((other, iter(sorted(imports(other)))))
                    break
                if other not in done:
                    least[name] = min(least[name], number[other])
            else:
                work.pop()
                if work:
                    least[work[-1][0]] = min(least[work[-1][0]], least[name])
                if least[name] == number[name]:
                    group = path[path.index(name) :]
                    del path[path.index(name) :]
                    done |= set(group)
                    found += [sorted(group)] if len(group) > 1 else []
    return found


def _room(path: Path) -> str:
    return path.relative_to(ROOT / "gateway").with_suffix("").parts[0]


def test_a_file_imports_only_from_lower_floors() -> None:
    imports = [(path, module) for path in python_files("gateway") for module in _imports(path)]
    for path, module in imports:
        room, parts = _room(path), module.split(".")
        assert room in FLOOR, f"{room} has no floor: give it one in {__file__}"
        assert parts[0] != "plugins", f"{path} imports {module}: the core never imports plugins"
        if parts[0] == "gateway" and len(parts) > 1 and parts[1] in FLOOR and parts[1] != room and room != "__init__":
            assert FLOOR[parts[1]] < FLOOR[room] or (FLOOR[parts[1]] == FLOOR[room] and not _mutual(parts[1], room)), (
                f"{path} (floor {FLOOR[room]}) imports {module} (floor {FLOOR[parts[1]]})"
            )


def test_every_room_has_a_floor() -> None:
    assert {_room(path) for path in python_files("gateway")} <= FLOOR.keys(), f"give it one in {__file__}"


@cache
def _mutual(lower: str, upper: str) -> bool:
    """Whether a room of the same floor imports back: neighbours may be used, circles may not."""
    files = [path for path in python_files("gateway") if _room(path) == lower]
    return any(module.split(".")[:2] == ["gateway", upper] for path in files for module in _imports(path))


def test_the_core_knows_no_vendor_and_no_chat_service() -> None:
    kit = ROOT / "gateway/testing"  # for authors, it plays vendors
    texts = {path: path.read_text().lower() for path in python_files("gateway") if not path.is_relative_to(kit)}
    assert [(str(path), vendor) for path, text in texts.items() for vendor in VENDORS if vendor in text] == []


def test_every_file_says_what_it_is_for() -> None:
    files = [path for path in OURS if path.stat().st_size]
    assert [str(path) for path in files if not ast.get_docstring(tree(path))] == []


def test_no_file_sends_its_reader_to_a_paper_that_is_not_in_the_project() -> None:
    files = [
        *python_files("gateway"),
        *python_files("plugins"),
        *python_files("tests"),
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("*.md"),
    ]
    found = [(str(path.relative_to(ROOT)), word) for path in files for word in _ELSEWHERE.findall(path.read_text())]
    assert found == []


def test_plugins_import_nothing_of_another_kind() -> None:
    for path in python_files("plugins"):
        kind = path.relative_to(ROOT / "plugins").parts[0]
        for module in _imports(path):
            if module.startswith("plugins."):
                allowed = {kind} if kind == "vendors" else {kind, "vendors"}
                assert module.split(".")[1] in allowed, f"{path} imports {module}"


def test_a_sink_never_imports_a_sink() -> None:
    """Its own package and what all share are all that it may know, so that a change of one sink changes no other."""
    shelf = ROOT / "plugins/sinks"
    for path in python_files("plugins/sinks"):
        own = path.relative_to(shelf).with_suffix("").parts[0]
        for module in _imports(path):
            if module.startswith("plugins.sinks."):
                other = module.split(".")[2]
                shared = other in SHARED_BY_SINKS or ((shelf / f"{other}.py").exists() and other not in SINK_FILES)
                assert other == own or shared, f"{path} imports {module}"
        if own in SHARED_BY_SINKS:
            assert "plugins.sinks." not in "".join(m for m in _imports(path) if f".{own}." not in m)


@pytest.mark.parametrize(("room", "other"), [("store", "config"), ("config", "store"), ("dispatch", "config")], ids=str)
def test_these_rooms_never_know_each_other(room: str, other: str) -> None:
    """What one needs of the other is handed to it, by the assembly or the admin room."""
    for path in python_files(f"gateway/{room}"):
        assert not [module for module in _imports(path) if f"{module}.".startswith(f"gateway.{other}.")], path


def test_no_file_comes_back_to_itself_by_what_it_imports() -> None:
    assert circles(_files_imported, _modules()) == []


def test_a_circle_of_any_length_is_seen_and_what_only_leads_to_one_is_not_in_it() -> None:
    graph = {"a": ["b", "e"], "b": ["c", "d"], "c": ["a"], "d": ["d"], "e": ["f"], "f": ["e", "g"], "g": []}
    assert sorted(circles(lambda name: [one for one in graph[name] if one != name], graph)) == [
        ["a", "b", "c"],
        ["e", "f"],
    ]


# Tests that may be longer, each with its reason; no file of gateway/ and plugins/ is among them.
LONG_FOR_A_REASON = {
    "tests/dispatch/conftest.py": "one house, with the scripted sinks that every test of the room builds it of",
    "tests/store/test_invariants.py": "one state machine, whose rules share what they know",
    "tests/test_house.py": "one house, read once",
    "tests/web/test_protocol.py": "one listener serves all of it, and each case leaves it as it was",
}


def test_no_file_is_longer_than_three_hundred_lines() -> None:
    long = {
        str(path.relative_to(ROOT))
        for path in (*OURS, *python_files("tests"))
        if len(path.read_text().splitlines()) > FILE_LINES_MAX
    }
    assert long - LONG_FOR_A_REASON.keys() == set(), "split it by subject, not by length"
    assert LONG_FOR_A_REASON.keys() - long == set(), "take it off the list"
    assert {path for path in LONG_FOR_A_REASON if not path.startswith("tests/")} == set()


ROOM_LINES_MIN = 30
SMALL_ROOMS = {
    "gateway/__main__.py": "`python -m gateway`",
    "gateway/compact_json.py": "below the words of events and of text, which both write JSON with it",
    "gateway/extras.py": "says which extra is not installed, to every floor",
    "gateway/follow_up.py": "what a sink may answer: above events, below plugins",
    "gateway/version.py": "read by the build, which imports nothing else",
}


def test_a_room_is_large_enough_to_be_one() -> None:
    """A folder with code, and a file that is a room by itself, has thirty lines or a reason."""
    lines: dict[str, int] = {}
    for path in OURS:
        parts = path.relative_to(ROOT).parts
        room = "/".join(parts if parts[0] == "gateway" and len(parts) == 2 else parts[:-1])
        lines[room] = lines.get(room, 0) + sum(bool(line.strip()) for line in path.read_text().splitlines())
    # a package that only holds others has a docstring and no code
    small = {room for room, number in lines.items() if 2 <= number < ROOM_LINES_MIN}
    assert small == SMALL_ROOMS.keys(), "join it with a neighbour, or say why it stands alone"


FILE_LINES_MIN = 30
# Files that are short, each with its reason; what is not here is a part of the one file that uses it.
SMALL_FILES = {
    "gateway/admin/allowance.py": "one bound, of the service and of the assistant",
    "gateway/admin/refusal_meanings.py": "one text for the API, the pages and the command",
    "gateway/admin/timestamps.py": "one way to write a time, for 25 files",
    "gateway/cli/difference.py": "imported where two contents differ, because difflib is seldom needed",
    "gateway/cli/new_files.py": "one way to name a new file, for two commands",
    "gateway/config/grammar/section.py": "below all sections",
    "gateway/dispatch/memos.py": "one bound, of a heartbeat and of an outcome",
    "gateway/dispatch/store_clock.py": "below the files that ask what time it is in the store",
    "gateway/events/private_copy.py": "one copy, for sinks and for hooks",
    "gateway/extras.py": "says which extra is not installed, to every floor",
    "gateway/fields/event_paths.py": "one type of option, of two sections",
    "gateway/fields/hosts.py": "one answer to whose a host is, for five files",
    "gateway/model/lock_free_property.py": "below an event and a callback",
    "gateway/model/value.py": "below all that never changes",
    "gateway/plugin/options.py": "below what plugins are made of",
    "gateway/plugin/own_code.py": "one way to call a plugin, for sixteen files",
    "gateway/runtime/failure_shield.py": "one shield, for nine files",
    "gateway/runtime/file_sync.py": "one way to have a path on the disk, of the store's copies and of plugins",
    "gateway/store/admin/free_jobs.py": "every gateway asks, and few have `jobs` to do, which is large",
    "gateway/store/admin/key_uses.py": "one table, that three rooms read or write",
    "gateway/store/admin/standing_alarms.py": "a command reads it without what `overview` counts with",
    "gateway/store/postgres/translation.py": "what is done to a statement, apart from how it is sent; the session's file is full",
    "gateway/store/sqlite/disk_room.py": "one question, of what moves the log and of what makes it larger",
    "gateway/testing/odd_json.py": "of the corpus and of fuzzing; the corpus's file is full",
    "gateway/testing/what_follows.py": "one part of the kit, of its sinks with and without HTTP",
    "gateway/text/file_trouble.py": "one way to say what is wrong with a path, for fifteen files",
    "gateway/text/inert_text.py": "exported to plugins",
    "gateway/text/json_difference.py": "one difference, of a command and of a page",
    "gateway/version.py": "read by the build, which imports nothing else",
    "plugins/sinks/min_trust.py": "one refusal, of four sinks",
    "gateway/web/api/recording_endpoints.py": "one file for the endpoints of one subject",
    "gateway/web/late_app.py": "what the listeners serve, apart from how they listen; their file is full",
    "gateway/web/pages/configuration.py": "one file a page",
    "gateway/web/pages/dead.py": "one file a page",
    "gateway/web/problem_response.py": "one form of refusal, for four files",
    "gateway/web/uvicorn_parts.py": "the one file that imports uvicorn",
    "plugins/sinks/archive/hls/bounds.py": "below what reads a playlist",
    "plugins/sinks/archive/hls/options.py": "`options` is a role: what a room can be told",
    "plugins/sinks/cards/options.py": "the same",
}


def test_a_file_is_long_enough_to_be_opened_for_itself() -> None:
    small = {
        str(path.relative_to(ROOT))
        for path in OURS
        if not path.stem.startswith("__") and len(path.read_text().splitlines()) < FILE_LINES_MIN
    }
    assert small - SMALL_FILES.keys() == set(), "put it where it is used, or say why it stands alone"
    assert SMALL_FILES.keys() - small == set(), "take it off the list"


def test_the_documented_floors_are_these() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    documented = {int(number): set(re.findall(r"`(\w+)`", rooms)) for number, rooms in rows}
    assert documented == {number: rooms - {"__main__", "__init__"} for number, rooms in enumerate(FLOORS)}


def test_the_files_that_architecture_names_are_there() -> None:
    part = (ROOT / "docs/architecture.md").read_text().split("## Inside the larger rooms")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", part, re.MULTILINE)
    assert len(rows) >= 7
    for room, text in rows:
        named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)?/?)`", text))
        assert named, room
        there = {path.stem for path in (ROOT / "gateway" / room).rglob("*.py")}
        folders = {path.name for path in (ROOT / "gateway" / room).iterdir() if path.is_dir()}
        assert [name for name in named if not _there(name, there, folders)] == [], room


def _there(name: str, files: set[str], folders: set[str]) -> bool:
    """Whether a room has `file`, `folder/`, or `folder/file`."""
    folder, slash, file = name.rpartition("/")
    return name in files if not slash else folder in folders and (not file or file in files)


# Words that say nothing of what a variable holds.
PLAIN_WORDS = {"said", "found", "told", "made", "one", "wanted"}
# A diagnostic says what was `found` and what was `expected`: there the word is the name of a field.
FIELDS_OF_DIAGNOSTICS = {
    ("gateway/config/document/nodes.py", "problem"),
    ("gateway/config/document/yaml.py", "_raise_mistake"),
    ("gateway/config/loaded.py", "problem"),
}


def test_a_variable_that_lives_longer_than_three_lines_says_what_it_holds() -> None:
    vague = [
        (place, function, name, distance)
        for place, path in ((str(path.relative_to(ROOT)), path) for path in OURS)
        for function, name, distance in long_lived(tree(path), PLAIN_WORDS, 3)
        if (place, function) not in FIELDS_OF_DIAGNOSTICS
    ]
    assert vague == [], "name it by what it holds"


def test_the_measure_of_a_variables_life_sees_every_way_to_bind_and_use_one() -> None:
    def lives(text: str) -> list[tuple[str, str, int]]:
        return list(long_lived(ast.parse(text), {"one"}, 3))

    assert lives("def f(one):\n\n\n\n    return one") == [("f", "one", 4)]
    assert lives("def f():\n    one = 1\n\n\n\n    def g():\n        return one") == [("f", "one", 5)]
    assert lives("def f():\n    for one in x:\n        a\n        b\n        c\n        one.d") == [("f", "one", 4)]
    assert lives(
        "class C:\n    def f(self):\n        with x as one:\n            a\n            b\n            c\n            one"
    ) == [("f", "one", 4)]
    assert lives("def f():\n    one = 1\n    return one\n\n    one = 2\n    return one") == []


# What a reader elsewhere sees of a diagnostic, and how many events a reconciliation has made, as its row and its log say it.
SHARED_AND_PLAIN = {
    ("gateway/config/document/diagnostics.py", "found"),
    ("gateway/config/document/substitution.py", "found"),
    ("gateway/store/outbox/reconciliation.py", "made"),
}


def test_what_is_used_elsewhere_says_what_it_is() -> None:
    vague = {
        (place, name)
        for place, path in ((str(path.relative_to(ROOT)), path) for path in OURS)
        for _, name in shared(tree(path))
        if name.strip("_") in PLAIN_WORDS
    }
    assert vague - SHARED_AND_PLAIN == set(), "name it by what it holds or does"
    assert SHARED_AND_PLAIN - vague == set(), "take it off the list"


STRANGERS = ROOT / "tests/stranger/acme-recordings"  # which has words of its own
OUR_TESTS = [path for path in python_files("tests") if not path.is_relative_to(STRANGERS)]
WHIMS = {"heed", "crew", "desk", "people", "site", "several", "carrying", "judging", "looking", "hand", "dry", "made"}
TERMS_OF_COMMANDS = {"dry_run"}
NO_WHIMS = {
    "hand_over",  # a verb of the glossary
    "connection_made",  # what asyncio calls of a protocol
    *("made_at", "made_by"),  # columns of the store
    "made",  # how many a reconciliation has made: its row, and its log
}


def test_no_name_is_a_whim_that_only_its_author_understands() -> None:
    names = [(str(path.relative_to(ROOT)), name) for path in OURS for _, name in shared(tree(path))]
    names += [(str(path.relative_to(ROOT)), path.stem) for path in OURS]
    for path in OURS:  # private ones too, and those inside of others
        given = [node.name for node in nodes(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        given += [name for name, _ in constants(tree(path))]
        names += [(str(path.relative_to(ROOT)), name) for name in given]
    assert [(place, name) for place, name in names if words_of(name) & WHIMS and name not in NO_WHIMS] == []
    assert {name for _, name in names} >= NO_WHIMS, "take it off the list"
    held = {
        (str(path.relative_to(ROOT)), name)
        for path in (*OURS, *python_files("benchmarks"), *OUR_TESTS)
        for name in variables(tree(path))
        if words_of(name) & WHIMS - PLAIN_WORDS and name not in TERMS_OF_COMMANDS
    }
    assert held == set(), "a variable and a parameter too"
    assert words_of("_SqliteDesk") == {"sqlite", "desk"}
    assert list(shared(ast.parse("class Crew:\n    heed: int\n    def site(self):\n        self.desk = 1"))) == [
        ("class", "Crew"),
        ("field", "heed"),
        ("function", "site"),
        ("attribute", "desk"),
    ]


VAGUE = {
    *("MOST", "LEAST", "LONGEST", "SHORTEST", "LARGEST", "SMALLEST", "DEEPEST", "HIGHEST", "LOWEST", "BIGGEST"),
    *("AGAIN", "SOON", "LATER", "HERE", "FEW", "STUBBORN", "ENOUGH"),
}
UNITS = {
    "seconds": "SECONDS",
    "ms": "MS",
    "bytes": "BYTES",
    "characters": "CHARS",
    "rows": "ROWS",
    "columns": "COLUMNS",
    "lines": "LINES",
    "digits": "DIGITS",
}
_SPAN = re.compile(r"_(SECONDS|MS|MINUTES|BYTES)(_|$)")
_SPAN_AS = {"S", "SEC", "SECS", "TIMEOUT", "EVERY", "INTERVAL", "PATIENCE", "WAIT", "PAUSE"}


def test_a_constant_says_what_it_bounds_and_in_which_unit() -> None:
    vague, without_unit = [], []
    named = [(path, name, statement) for path in OURS for name, statement in constants(tree(path))]
    for path, name, statement in named:
        words = set(name.split("_"))
        if words & VAGUE:
            vague.append((str(path), name))
        if not is_number(statement.value):
            continue
        comment = re.search(r"#\s*(\w+)", path.read_text().splitlines()[(statement.end_lineno or 1) - 1])
        unit = UNITS.get(comment[1]) if comment else None
        if (unit and unit not in words) or (words & _SPAN_AS and not _SPAN.search(name)):
            without_unit.append((str(path), name))
    assert vague == [], "say what it bounds, as in CLAIM_BATCH_MAX"
    assert without_unit == [], "put the unit into the name, as in PROBE_RETRY_SECONDS"


def test_a_row_is_asked_by_the_name_of_a_column() -> None:
    """Nowhere by its place: neither `row[3]` nor `rows[0][3]`, because a new column would move all behind it."""
    rooms = [path for path in OURS if _is_of_rows(path)]
    places = [f"{path.relative_to(ROOT)}:{line}" for path in rooms for line in columns_by_place(tree(path))]
    assert places == []


def _is_of_rows(path: Path) -> bool:
    """The whole core, and the sink that works on tables; a terminal's columns are lists of cells."""
    place = path.relative_to(ROOT).as_posix()
    return place.startswith(("gateway/", "plugins/sinks/database/")) and place != "gateway/cli/table.py"


def test_a_column_by_its_place_is_seen_whatever_the_row_is_called() -> None:
    def seen(text: str) -> list[int]:
        return list(columns_by_place(ast.parse(f"def f(session, row):\n    {text}")))

    for by_place in (
        "return row[3]",
        "return session.rows(Q)[0][1]",
        "rows = session.rows(Q); return rows[0][1]",
        "for gate in session.rows(Q): print(gate[2])",
        "return [one[1] for one in connection.execute(Q).fetchall()]",
        "found = cursor.fetchone(); return found[0]",
        "first = session.rows(Q)[0]; return first[1]",
        "last = (await connection.fetchrow(Q)); return last[0]",
        "gaps = [gap for gap in mark if gap[2]]",
        "return sorted(columns, key=lambda column: column[2])",
    ):
        assert seen(by_place) == [2], by_place
    for by_name in (
        "return Gate(*session.rows(Q)[0])",
        "rows = session.rows(Q); return Gate(*rows[0])",
        "for name, at in session.rows(Q): print(name[0])",
        "return match[1], parts[0]",
    ):
        assert seen(by_name) == [], by_name


# The one thing that each of these verbs names; every other function says what it takes, tells or runs.
VERBS = {
    "take": {"gateway/testing/sources.py"},  # the kit for authors: verify and normalise
    "look": set(),
    "tell": set(),
    "refuse": set(),
    "settle": {  # write an outcome, from the lane down to the database
        "gateway/dispatch/settler.py",
        "gateway/store/store.py",
        "gateway/store/outbox/settle.py",
        "gateway/store/engine/batch.py",
        "gateway/store/sqlite/leases.py",
        "gateway/store/postgres/batch.py",
        "gateway/testing/inprocess.py",  # the kit for authors: until everything is settled
    },
    "read": {"gateway/store/admin/connections.py", "gateway/admin/access.py"},  # ask the store, beside `change`
    "run": {"gateway/egress/worker.py"},  # a job in a thread
    "begin": set(),
    "end": {
        "gateway/runtime/otel.py",
        "gateway/runtime/traces.py",
        "gateway/web/callback_span.py",
    },  # a span of a trace
    "put": {  # an object into a storage, whole or not at all
        "plugins/sinks/storage/storage.py",
        "plugins/sinks/storage/local_folder.py",
        "plugins/sinks/storage/object_store.py",
        "plugins/sinks/archive/job.py",
        "plugins/sinks/apprise/calls.py",  # as `requests` calls it
    },
}


def test_a_verb_names_one_thing_so_that_grep_can_answer() -> None:
    there: dict[str, set[str]] = {verb: set() for verb in VERBS}
    for path in OURS:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.lstrip("_") in VERBS:
                there[node.name.lstrip("_")].add(str(path.relative_to(ROOT)))
    assert there == VERBS


FILES_OF_A_NAME_MAX = 16
# Functions that have one name in more files, because they have one role there.
ROLES_OF_FUNCTIONS = {
    "open": "take what is needed: pairs with `close`",
    "close": "give back what is held, once and for good",
    "start": "begin with what goes on by itself: pairs with `stop` or `close`",
    "connect": "reach what is outside, as the contract of a sink and of a backend has it",
    "prepare": "what is done once before the first use, as the contract of a source and of a backend has it",
    "command": "the command line's command in a file of commands",
    "judge": "a verb of the glossary: what a target's answer means",
    "check": "a verb of the glossary: refuse what may not be",
    "fits": "a verb of the glossary: whether something is as it is wanted",
    "deliver": "a verb of the glossary: the contract of a sink",
    "preview": "a verb of the glossary: the contract of a sink",
    "advice": "what is probably not meant, as the contract of plugins and options has it",
    "render": "text of an event or a card, by a template or a service's own form",
    "add": "one more of what a collection keeps or counts",
    "write": "lines, bytes or rows, to where they stay",
}


def test_a_functions_name_is_in_few_files_or_is_that_of_a_role() -> None:
    """Whatever the word: who looks for `_text` in twenty files finds none."""
    places: dict[str, set[Path]] = {}
    for path in OURS:
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
                places.setdefault(node.name.lstrip("_"), set()).add(path)
    many = {name for name, files in places.items() if len(files) > FILES_OF_A_NAME_MAX}
    assert many - ROLES_OF_FUNCTIONS.keys() == set(), "name it by what it ends, writes or gives"
    assert ROLES_OF_FUNCTIONS.keys() - many == set(), "take it off the list"


# Modules with one name, because they have one role in rooms that stand beside each other.
ROLES = {
    "address",
    "backend",
    "batch",
    "faults",
    "options",
    "reporter",
    "session",
    "sink",
    "words",
}
# One subject that is worked on in several rooms, from the tables up to the pages and the commands, or that is a section of the
# configuration, a page or a command named by what it is outside: its files have its name in each of these and nowhere else.
ONE_SUBJECT = {
    "activity": {"gateway/intake", "gateway/runtime", "gateway/store/outbox"},
    "acts": {"gateway/admin", "gateway/web/pages"},
    "alarms": {"gateway/config/grammar", "gateway/store/outbox"},
    "audit": {"gateway/cli/commands", "gateway/store/admin"},
    "bulk": {"gateway/admin", "gateway/store/admin", "gateway/web/pages"},
    "configuration": {"gateway/admin", "gateway/web/pages"},
    "deliveries": {"gateway/cli/commands", "gateway/store/admin"},
    "delivery": {"gateway/config/grammar", "gateway/model"},
    "directory": {"gateway/config/grammar", "gateway/owners"},
    "events": {"gateway/cli/commands", "gateway/web/pages"},
    "filters": {"gateway/admin", "gateway/cli"},
    "health": {"gateway/cli", "gateway/cli/commands"},
    "jobs": {"gateway/admin", "gateway/store/admin"},
    "listeners": {"gateway/config/grammar", "gateway/web"},
    "overview": {"gateway/admin", "gateway/store/admin", "gateway/web/pages"},
    "queries": {"gateway/admin", "gateway/store/admin"},
    "reconcile": {"gateway/cli/commands", "plugins/sources/huawei_live"},
    "refused": {"gateway/cli/commands", "gateway/store/outbox"},
    "reload": {"gateway", "gateway/cli/commands"},
    "routes": {"gateway/config/grammar", "gateway/web/api", "gateway/web/pages"},
    "schema": {"gateway/cli/commands", "gateway/config"},
    "secret": {"gateway/cli/commands", "gateway/text"},
    "sinks": {"gateway/cli/commands", "gateway/testing", "gateway/web/pages"},
    "source": {"plugins/sources/hmac", "plugins/sources/huawei_live"},
    "sources": {"gateway/cli/commands", "gateway/testing"},
    "standard_webhooks": {"gateway/signing", "plugins/sources"},
    "store": {"gateway/cli/commands", "gateway/config/grammar", "gateway/store"},
}
TERMS = {"routing", "signing", "testing", "batching", "escaping"}
TERMS_OF_TESTS = {"running"}  # a gateway that runs, as its user runs it; `gateway.testing` has the word too


def test_no_two_types_have_one_name() -> None:
    """Classes, and what stands for a type, with or without an underscore: whoever looks for `Row` finds one. A variable of
    types is no type: `T` is every file's own, and a longer one ends in it."""
    places: dict[str, list[str]] = {}
    for path in OURS:
        for name in types(tree(path)):
            places.setdefault(name.lstrip("_"), []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_type_is_seen_in_whatever_way_it_is_made() -> None:
    def seen(text: str) -> list[str]:
        return list(types(ast.parse(text)))

    assert seen("class A:\n    class _B: ...") == ["A", "_B"]
    assert seen("Row = tuple[str, int]\n_Key = Annotated[str, 1]\nKind: TypeAlias = 'int'") == ["Row", "_Key", "Kind"]
    assert seen("if TYPE_CHECKING:\n    Item = Mapping[str, Any]\nelse:\n    Other = 1") == ["Item", "Other"]
    assert seen("T = TypeVar('T')\nRowT = TypeVar('RowT')\nP = ParamSpec('P')\nLIMIT = 3\nname = str") == []
    assert seen("Row = TypeVar('Row')") == ["Row"]


def test_modules_have_one_name_only_where_they_have_one_role() -> None:
    places: dict[str, list[str]] = {}
    for path in OURS:
        place = str(path.relative_to(ROOT))
        if path.stem != "__init__":
            places.setdefault(path.stem, []).append(place)
    twice = {name for name, where in places.items() if len(where) > 1}
    assert twice - ROLES - ONE_SUBJECT.keys() == set()
    assert ROLES - twice == set(), "take it off the list"


def test_one_subject_has_its_name_in_these_rooms_and_in_no_other() -> None:
    there = {name: {str(p.parent.relative_to(ROOT)) for p in OURS if p.stem == name} for name in ONE_SUBJECT}
    assert there == ONE_SUBJECT


def test_no_module_is_named_by_a_gerund_that_is_no_term() -> None:
    helpers = [path for path in (*OUR_TESTS, *python_files("benchmarks")) if not path.stem.startswith("test_")]
    names = {path.stem for path in (*OURS, *helpers)}
    assert {name for name in names if name.endswith("ing")} <= TERMS | TERMS_OF_TESTS
