"""`allow_from` can name files of networks: read with the configuration, and what is wrong is said where it stands."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import allow_files
from gateway.fields.network_set import NetworkSet
from gateway.runtime.file_watch import FileWatch
from gateway.web.peers import admitted
from tests.config.configs import KEY, Configs

LIST = """\
# the vendor's addresses, 2026-03
203.0.113.0/24
198.51.100.7   # the old one

2001:db8::/32\r
  192.0.2.9/31
"""
NETWORKS = ["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32", "192.0.2.8/31"]


def networks(configs: Configs, allow_from: str) -> list[str]:
    loaded = configs.load(f"sources: {{it: {{type: fake, keys: [{KEY}], allow_from: {allow_from}}}}}")
    return [str(one) for one in loaded.settings.sources["it"].networks]


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("{file: vendor.txt}", NETWORKS),
        ("[{file: vendor.txt}]", NETWORKS),
        ("[10.0.0.0/8, {file: vendor.txt}, '::1']", ["10.0.0.0/8", *NETWORKS, "::1/128"]),
        ("[{file: vendor.txt}, {file: more.txt}]", [*NETWORKS, "10.9.0.0/16"]),
        ("[10.0.0.0/8]", ["10.0.0.0/8"]),
    ],
)
def test_a_file_stands_alone_or_among_networks(configs: Configs, written: str, wanted: list[str]) -> None:
    (configs.folder / "vendor.txt").write_bytes(b"\xef\xbb\xbf" + LIST.encode())
    (configs.folder / "more.txt").write_text("10.9.0.0/16")
    assert networks(configs, written) == wanted


def test_what_is_wrong_in_a_file_is_said_where_line_and_value_are(configs: Configs) -> None:
    path = configs.folder / "vendor.txt"
    path.write_text("203.0.113.0/24\n  10.0.0.0/33 # too long\nexample.com\n10.0.0.1-10.0.0.9\n")
    problems = configs.problems(f"sources: {{it: {{type: fake, keys: [{KEY}], allow_from: {{file: vendor.txt}}}}}}")
    assert [(one.file, one.line, one.column, one.path, one.found) for one in problems] == [
        (str(path), 2, 3, "sources.it.allow_from", "'10.0.0.0/33'"),
        (str(path), 3, 1, "sources.it.allow_from", "'example.com'"),
        (str(path), 4, 1, "sources.it.allow_from", "'10.0.0.1-10.0.0.9'"),
    ]
    assert {one.expected for one in problems} == {allow_files.EXPECTED}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "no network in"),
        (b"# nothing but\n\n# words\n", "no network in"),
        (b"\x1b[2J\xff\xfe evil\n", "\\\\x1b[2J"),
        (b"bad\n" * 30, "10 more lines of"),
        (b"10.0.0.0/8\n" * 110_000, "of over 1048576 bytes"),
        (b"".join(b"10.%d.%d.%d\n" % (n >> 16, n >> 8 & 255, n & 255) for n in range(20_001)), "20001 networks in"),
    ],
    ids=["gone", "empty", "comments", "hostile", "all of it", "large", "many"],
)
def test_a_file_that_is_no_list_is_refused_and_never_means_anywhere(
    configs: Configs, content: bytes | None, said: str
) -> None:
    if content is not None:
        (configs.folder / "vendor.txt").write_bytes(content)
    problems = configs.problems(f"sources: {{it: {{type: fake, keys: [{KEY}], allow_from: [{{file: vendor.txt}}]}}}}")
    text = "\n".join(map(str, problems))
    assert said in text
    assert len(problems) <= 21
    assert text.isprintable() or "\x1b" not in text


def test_a_pipe_and_a_folder_are_not_waited_for(configs: Configs) -> None:
    os.mkfifo(configs.folder / "pipe")
    for name in ("pipe", "."):
        said = configs.problem(f"sources: {{it: {{type: fake, keys: [{KEY}], allow_from: {{file: {name}}}}}}}")
        assert "cannot be read" in said.found
        assert said.path == "sources.it.allow_from"


@pytest.mark.parametrize(
    "written", ["{fil: x}", "{file: }", "[{}]", "[{file: a, more: b}]", "x", "[10.0.0.0/33]", "[[]]"]
)
def test_what_is_neither_a_network_nor_a_file_is_refused_at_its_place(configs: Configs, written: str) -> None:
    problems = configs.problems(f"sources: {{it: {{type: fake, keys: [{KEY}], allow_from: {written}}}}}")
    assert all(one.path.startswith("sources.it.allow_from") for one in problems), [str(one) for one in problems]
    assert len(problems) <= 2


def test_a_file_that_changed_makes_its_source_another(configs: Configs) -> None:
    text = f"sources: {{it: {{type: fake, keys: [{KEY}], allow_from: {{file: vendor.txt}}}}}}"
    (configs.folder / "vendor.txt").write_text("10.0.0.0/8\n")
    before = configs.load(text)
    again = configs.load(text)
    (configs.folder / "vendor.txt").write_text("10.0.0.0/9\n")
    after = configs.load(text)
    assert before.settings.sources["it"] == again.settings.sources["it"] != after.settings.sources["it"]
    assert before.watched_files == [configs.folder / "gateway.yaml", configs.folder / "vendor.txt"]


ADDRESSES = st.ip_addresses()
SOME = st.lists(st.tuples(ADDRESSES, st.integers(0, 128)), max_size=12)


@given(SOME, st.lists(ADDRESSES, max_size=8))
def test_a_set_of_networks_holds_what_any_of_them_holds(
    written: list[tuple[object, int]], others: list[object]
) -> None:
    made = [ip_network(f"{address}/{min(bits, ip_address(str(address)).max_prefixlen)}", strict=False) for address, bits in written]  # fmt: skip
    held = NetworkSet(made)
    assert list(held) == made
    edges = [edge for network in made for edge in (network[0], network[-1])]
    for address in [ip_address(str(one)) for one in (*others, *(address for address, _ in written), *edges)]:
        wanted = any(address.version == network.version and address in network for network in made)
        assert held.holds(address) == wanted
        assert admitted(str(address), held) == (wanted or not made) or getattr(address, "ipv4_mapped", None)


def test_an_address_that_is_not_known_is_in_no_set() -> None:
    held = NetworkSet([ip_network("10.0.0.0/8")])
    assert [admitted(text, held) for text in ("10.1.2.3", "::ffff:10.1.2.3", "11.0.0.1", "x", None)] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert admitted(None, NetworkSet([]))


async def test_every_file_is_watched_and_one_that_is_gone_is_a_change(tmp_path: Path) -> None:
    files = [tmp_path / "gateway.yaml", tmp_path / "vendor.txt"]
    for path in files:
        path.write_text("one")
    told: list[int] = []

    async def changed() -> None:
        told.append(len(files))

    watch = FileWatch(lambda: files, changed)

    async def looks(count: int = 2) -> int:
        for _ in range(count):
            await watch.turn()
        return len(told)

    assert await looks() == 0
    files[1].write_text("two")
    assert await looks(1) == 0  # it may be being written
    assert await looks() == 1
    files[1].unlink()
    assert await looks() == 2
    files[1].write_text("two")
    assert await looks() == 3
    files.append(tmp_path / "more.txt")  # a reload named it, and has read it
    files[2].write_text("x")
    assert await looks() == 3
    files[2].write_text("y")
    assert await looks() == 4
    files[0].unlink()
    files[1].write_text("three")
    assert await looks(3) == 4  # the configuration itself is waited for
    files[0].write_text("one")
    assert await looks() == 5
