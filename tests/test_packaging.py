"""What is shipped: the wheel holds the packages and nothing else, the image follows its contract, nothing private is committed."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

from tests.installed import build

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TYPES = {
    ".py",
    ".pyi",
    ".txt",
    ".typed",
    ".html",
    ".j2",
    ".css",
    ".js",
    ".svg",
    ".json",
}  # the last four are of the pages


def _committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_the_wheel_holds_the_packages_and_nothing_else(tmp_path: Path) -> None:
    wheel = build(ROOT, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    info = f"recording_gateway-{wheel.name.split('-')[1]}.dist-info/"
    strangers = [name for name in names if not name.startswith(("gateway/", "plugins/", info))]
    assert strangers == []
    odd = [name for name in names if not name.startswith(info) and Path(name).suffix not in TYPES]
    assert odd == []
    assert {"gateway/py.typed", "gateway/__init__.pyi", f"{info}licenses/LICENSE"} <= set(names)
    assert not [name for name in names if "test_" in name and not name.startswith("gateway/cli/scaffold/")]


def test_every_entry_point_leads_to_a_class() -> None:
    from gateway.plugin.registry import Registry

    registry = Registry()
    for name in PROJECT["project"]["entry-points"]["recording_gateway"]:
        kind, _, type_ = name.partition(".")
        assert (registry.source(type_) if kind == "source" else registry.sink(type_)).type == type_


def test_every_dependency_has_a_tested_version() -> None:
    pinned = {
        re.split(r"==", line)[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    names = {re.split(r"[\[<>=;! ]", one)[0].lower().replace("_", "-") for one in wanted} - {"recording-gateway"}
    assert names - pinned == set()


def test_the_constraints_name_no_host_and_no_hash() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if line and not re.fullmatch(r"#.*|[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+-]+", line)] == []


def test_the_image_follows_its_contract() -> None:
    text = (ROOT / "Dockerfile").read_text()
    stages = text.split("\nFROM ")
    assert len(stages) == 3, "two stages"
    final = stages[-1]
    for said in (
        "USER 10001:10001",
        "VOLUME /data",
        'ENTRYPOINT ["gateway"]',
        'CMD ["serve"]',
        "GATEWAY_CONFIG=/etc/gateway/gateway.yaml",
        "GATEWAY_SERVER_HOST=0.0.0.0",
        "GATEWAY_ADMIN_HOST=0.0.0.0",
        "GATEWAY_STORE=sqlite:////data/gateway.db",
        'CMD ["gateway", "health"]',
    ):
        assert said in final
    assert "ARG EXTRAS=" in text
    extras = re.search(r"ARG EXTRAS=(\S+)", text)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_what_the_image_copies_is_what_the_build_may_see() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == allowed


def test_nothing_committed_names_a_machine() -> None:
    marks = ("/work" + "/main", "/root" + "/", "/opt/" + "pypi", "10.0.2." + "2:")
    found = []
    for path in _committed():
        if path.suffix in {".png"}:
            continue
        text = path.read_text(errors="replace")
        found += [f"{path.relative_to(ROOT)}: {mark}" for mark in marks if mark in text]
    assert found == []
