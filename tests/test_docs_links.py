"""Every link of the documentation leads somewhere: to a file that is there, and to a heading that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def _prose(page: Path) -> str:
    """Without what stands in code, where brackets are brackets."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text()))


def _anchors(page: Path) -> set[str]:
    """What a code host makes of the headings: lower case, spaces to hyphens, all else but letters and digits gone."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE):
        plain = re.sub(r"\]\([^)]*\)", "]", heading)
        name = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        found.add(
            next(f"{name}{end}" for end in ["", *(f"-{n}" for n in range(1, 100))] if f"{name}{end}" not in found)
        )
    return found


def _wrong(page: Path, link: str) -> str | None:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT):
        return f"{link} leaves the project"
    if not target.exists():
        return f"{link}: there is no {path}"
    if anchor and anchor not in _anchors(target):
        return f"{link}: {target.name} has no such heading"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    links = [link for link in _LINK.findall(_prose(page)) if "://" not in link and not link.startswith("mailto:")]
    assert [wrong for link in links if (wrong := _wrong(page, link))] == []


def test_every_page_of_the_documentation_can_be_reached_from_the_readme() -> None:
    readme = ROOT / "README.md"
    seen, ahead = {readme}, [readme]
    while ahead:
        page = ahead.pop()
        for link in _LINK.findall(_prose(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target in PAGES and target not in seen:
                seen.add(target)
                ahead.append(target)
    unreached = {page for page in PAGES if page.parent.name == "docs"} - seen
    assert sorted(page.name for page in unreached) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    assert _wrong(ROOT / "README.md", "docs/nothing.md") == "docs/nothing.md: there is no docs/nothing.md"
    assert _wrong(ROOT / "docs/event.md", "#no-such-heading") == "#no-such-heading: event.md has no such heading"
    assert _wrong(ROOT / "docs/event.md", "sinks.md#what-an-http-answer-means") is None
