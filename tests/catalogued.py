"""Sites that ``omopsql catalogue`` writes, of releases of the tests' own making; and their pages, tag by tag."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from commands import done
from releases import release

CLINIC = "clinic.example-data-patients"
EVIL = "<script>alert('1')</script>&\"'"


class Page(HTMLParser):
    """A page's tags with their attributes, and its text; every tag must be closed in its turn."""

    VOID = frozenset({"meta", "link", "br", "input"})

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data

    def links(self) -> set[str]:
        return {attrs["href"] or "" for tag, attrs in self.tags if tag == "a"}


def catalogue(output: Path, *releases: Path, options: tuple[str, ...] = ("--explorer", "none")) -> Path:
    """Run the command and return the site."""
    done("catalogue", *map(str, releases), "-o", str(output), *options)
    return output


def write_site(folder: Path) -> Path:
    """A site of four data sets: two versions, a closed and forced one, a retracted one, and one with evil words."""
    earlier = {
        "version": "0.1.0",
        "date": "2025-01-01T00:00:00Z",
        "manifest": "ab" * 32,
        "retracted": "a date too many",
    }
    return catalogue(
        folder / "site",
        release(folder / "new", version="2.0.0", published="2026-06-01T08:00:00+00:00", earlier=[earlier]),
        release(folder / "old", version="1.0.0", published="2026-05-04T10:00:00Z"),
        release(
            folder / "closed",
            "Closed study",
            identifier="https://hospital.example/closed",
            access="NON_PUBLIC",
            forced="needed for teaching",
            reasons=["too few persons", "membership attack succeeds"],
            published="2025-03-01T00:00:00Z",
        ),
        release(
            folder / "gone",
            "Gone",
            identifier="gone",
            retracted="traced back",
            published="2024-03-01T00:00:00Z",
        ),
        release(
            folder / "evil",
            EVIL,
            identifier="evil",
            description=EVIL,
            keywords=[EVIL],
            published="2023-01-01T00:00:00Z",
        ),
        options=("--explorer", "none", "--title", "Example & Co", "--url", "https://data.example.org/sets"),
    )
