"""The pages of the catalogue: the list of data sets, and one page for each release."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from string import Template
from urllib.parse import quote

from omopsql.pages import GENERATOR, embedded, facts, page, part

from .record import Said, access_words
from .released import DataSet, Release

PAGES = ("publish", "catalogue", "page")
EXPLORER_PAGE = "explore.html"
_MOST_FILES = 200  # listed on a page; the manifest has all


def index_page(title: str, data_sets: Sequence[DataSet]) -> str:
    """Return the list of data sets with its search."""
    body = Template(part(*PAGES, "index.html")).substitute(
        title=html.escape(title),
        count=f"{len(data_sets):,} data set{'' if len(data_sets) == 1 else 's'}",
        cards="\n".join(map(_card, data_sets)),
        generator=html.escape(GENERATOR),
        data=embedded([_searched(data_set) for data_set in data_sets]),
    )
    feed = '<link rel="alternate" type="application/atom+xml" href="feed.xml" title="News of the catalogue">'
    record = '<link rel="alternate" type="text/turtle" href="catalogue.ttl" title="DCAT">'
    return page(title, body, part(*PAGES, "site.css"), part(*PAGES, "index.js"), head=f"\n{feed}\n{record}")


def release_page(catalogue: str, data_set: DataSet, release: Release, copied: set[str], has_explorer: bool) -> str:
    """Return the page of a release. ``copied`` are the files of it that stand beside the page."""
    record = release.record
    home = "../" * (data_set.folder_of(release).count("/") + 1) + "index.html"
    sections = (
        _section("About", _terms(_about(release))),
        _section("Access and licence", _access(release, copied)),
        _section("Tables", _tables(release)),
        _section("Reports", _reports(release, copied)),
        _section("Versions", _versions(data_set, release)),
        _section("For machines, and to verify", _sealed(release, copied)),
        _section("Files and checksums", _checksums(release, copied)),
    )
    body = Template(part(*PAGES, "data_set.html")).substitute(
        home=home,
        catalogue=html.escape(catalogue),
        title=html.escape(record.title),
        facts=facts(_facts(release)),
        notices="\n".join(_notices(data_set, release)),
        description=html.escape(record.description),
        keywords=_chips(record.keywords, "Keywords"),
        actions=_actions(release, copied, has_explorer),
        sections="\n".join(filter(None, sections)),
        generator=html.escape(GENERATOR),
    )
    described = html.escape(" ".join(record.description.split())[:200])
    links = "".join(
        f'\n<link rel="alternate" type="{kind}" href="{html.escape(path)}">'
        for kind, path in (
            ("text/turtle", "records/healthdcat.ttl"),
            ("application/ld+json", "records/healthdcat.jsonld"),
        )
        if path in copied
    )
    head = f'\n<meta name="description" content="{described}">{links}'
    return page(f"{record.title} - {catalogue}", body, part(*PAGES, "site.css"), head=head)


def _facts(release: Release) -> dict[str, str]:
    record = release.record
    told = {
        "Version": release.version,
        "Published": release.published[:10],
        "Access": access_words(record.access),
        "Persons": _count(record.persons),
        "Records": _count(record.rows),
        "Ages": record.ages,
    }
    return {term: words for term, words in told.items() if words}


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


# The list


def _card(data_set: DataSet) -> str:
    release = data_set.newest
    record = release.record
    description = " ".join(record.description.split())
    shown = description if len(description) <= 300 else f"{description[:300].rsplit(' ', 1)[0]} …"
    marks = [("retracted", "retracted")] * bool(release.retracted) + [("forced", "published against advice")] * bool(
        release.forced
    )
    chips = "".join(f'<li class="{css}">{words}</li>' for css, words in marks)
    chips += "".join(f"<li>{html.escape(word)}</li>" for word in (*record.categories, *record.keywords)[:12])
    return (
        f'<li class="card"><h3><a href="{data_set.slug}/index.html">{html.escape(record.title)}</a></h3>'
        f'<p>{html.escape(shown)}</p><dl class="facts">{facts(_facts(release))}</dl>'
        f'{f"""<ul class="chips" aria-label="Keywords">{chips}</ul>""" if chips else ""}</li>'
    )


def _searched(data_set: DataSet) -> dict[str, object]:
    """What the page knows of a data set to narrow the list down."""
    release = data_set.newest
    record = release.record
    texts = (record.title, record.description, record.identifier, *record.keywords, *record.themes, *record.categories)
    return {
        "text": " ".join((*texts, *record.publisher, release.version, access_words(record.access))),
        "theme": record.themes,
        "category": record.categories,
        "keyword": record.keywords,
        "access": access_words(record.access),
        "year": release.published[:4],
        "persons": record.persons or 0,
    }


# One release


def _notices(data_set: DataSet, release: Release) -> Iterable[str]:
    if release.retracted is not None:
        yield (
            '<div class="notice retracted" role="note"><strong>This data set was retracted.</strong> '
            f"Its data are gone; what it was stays here. The reason: {html.escape(release.retracted)}</div>"
        )
    if release.forced is not None:
        objections = "".join(f"<li>{html.escape(reason)}</li>" for reason in release.objections)
        spoken = f"<p>What spoke against it:</p><ul>{objections}</ul>" if objections else ""
        yield (
            '<div class="notice forced" role="note"><strong>Published against advice.</strong> The reason given: '
            f"{html.escape(release.forced)}{spoken}</div>"
        )
    if release is not data_set.newest:
        up = "../index.html"
        newest = html.escape(data_set.newest.version)
        yield f'<p class="notice" role="note">There is a newer version: <a href="{up}">{newest}</a>.</p>'


def _actions(release: Release, copied: set[str], has_explorer: bool) -> str:
    links = []
    if has_explorer:
        links.append(f'<a class="button first" href="{EXPLORER_PAGE}">Ask in SQL</a>')
    if any(path.startswith("data/") for path in copied):
        links.append('<a class="button" href="#files">Download</a>')
    return " ".join(links)


def _section(heading: str, body: str) -> str:
    name = heading.split()[0].lower()
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>\n{body}\n</section>' if body else ""


def _about(release: Release) -> dict[str, str]:
    record, made = release.record, release.made_by
    told = {heading: _said(said) for heading, said in record.about}
    told = {
        "Theme": html.escape(", ".join(record.themes)),
        "Health category": html.escape(", ".join(record.categories)),
        **told,
        "Identifier": f"<code>{html.escape(record.identifier)}</code>",
        "Made by": html.escape(_making(made)),
        "Noise": html.escape(_noise(made)),
    }
    return {term: words for term, words in told.items() if words}


def _making(made: dict[str, object]) -> str:
    if not made:
        return ""
    learned, method, seed = made.get("learned"), made.get("method"), made.get("seed")
    told = [f"model {method}" if method else "a model"]
    told += [f"learned from {learned:,} persons or rows"] * isinstance(learned, int)
    told += [f"nothing of fewer than {made['min_cell']} of them"] * (
        made.get("epsilon") is None and bool(made.get("min_cell"))
    )
    told += [f"seed {seed}"] * (seed is not None)
    return ", ".join(told)


def _noise(made: dict[str, object]) -> str:
    if not made:
        return ""
    epsilon, delta = made.get("epsilon"), made.get("delta")
    if epsilon is None:
        return "none: differential privacy was not asked for"
    return f"differential privacy with epsilon {epsilon}" + (f", delta {delta}" if delta else "")


def _access(release: Release, copied: set[str]) -> str:
    record = release.record
    told = {
        "Who may have it": html.escape(_who(release, copied)),
        "Licence": _said(record.licences),
        "Ask": _said(record.contacts),
        "Health data access body": _said(record.access_body),
    }
    return _terms({term: words for term, words in told.items() if words})


def _who(release: Release, copied: set[str]) -> str:
    if release.retracted is not None:
        return "nobody: the data set was retracted"
    if release.is_public:
        return "everybody: access is public"
    words = f"access is {access_words(release.record.access)}"
    here = any(path.startswith("data/") for path in copied)
    return f"{words}; who may see this site may have it" if here else f"{words}: ask for it"


def _tables(release: Release) -> str:
    told = []
    for name, columns in release.record.variables.items():
        rows = "".join(
            f'<tr><th scope="row"><code>{html.escape(column.name)}</code></th><td>{html.escape(column.type)}</td>'
            f"<td>{html.escape(column.description)}</td></tr>"
            for column in columns
        )
        head = "".join(f'<th scope="col">{words}</th>' for words in ("Column", "Type", "What it holds"))
        told.append(
            f"<details><summary>{html.escape(name)} ({len(columns):,} columns)</summary>"
            f'<div class="scroll" tabindex="0" role="region" aria-label="Columns of {html.escape(name)}">'
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
        )
    dictionary = [(path, path) for path in release.dictionary() if path.endswith(".csv")]
    return "\n".join([*told, _links(dictionary)])


def _reports(release: Release, copied: set[str]) -> str:
    items = "".join(
        f"<li>{_link(report.title, quote(report.path))}{f': {html.escape(report.words)}' if report.words else ''}</li>"
        for report in release.reports()
        if report.path in copied
    )
    return f'<ul class="list">{items}</ul>' if items else ""


def _versions(data_set: DataSet, release: Release) -> str:
    rows = []
    kept = release.earlier_records()
    for version, folder in data_set.versions():
        name = html.escape(version.version)
        if folder is not None and version.version != release.version:
            up = "../" * (data_set.folder_of(release).count("/") + 1)
            name = _link(version.version, f"{up}{folder}/index.html")
        elif version.version in kept:
            name = _link(version.version, quote(kept[version.version]))
        standing = [f"retracted: {version.retracted}"] * bool(version.retracted)
        standing += [f"published against advice: {version.forced}"] * bool(version.forced)
        standing += ["this page"] * (version.version == release.version)
        rows.append(
            f'<tr><th scope="row">{name}</th><td class="day">{html.escape(version.published[:10])}</td>'
            f"<td>{html.escape('; '.join(standing))}</td>"
            f'<td class="sum optional">{html.escape(version.manifest_sha256)}</td></tr>'
        )
    head = "".join(
        f'<th scope="col"{css}>{words}</th>'
        for words, css in (
            ("Version", ""),
            ("Published", ""),
            ("Standing", ""),
            ("SHA-256 of its manifest", ' class="optional"'),
        )
    )
    return _scrolled("Versions", f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>")


def _sealed(release: Release, copied: set[str]) -> str:
    records = [(title, path) for title, path in release.records() if path in copied]
    seals = [(path, path) for path in release.seals() if path in copied]
    told = "<p>With a copy of the release, <code>omopsql verify</code> recomputes every checksum and the signature.</p>"
    return f"{_links([*records, *seals])}\n{told}"


def _checksums(release: Release, copied: set[str]) -> str:
    listed = release.files[:_MOST_FILES]
    if not listed:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{_file(file.path, copied)}</th>'
        f'<td class="number">{file.bytes:,}</td><td class="sum optional">{html.escape(file.sha256)}</td></tr>'
        for file in listed
    )
    head = (
        '<thead><tr><th scope="col">File</th><th scope="col" class="number">Bytes</th>'
        '<th scope="col" class="optional">SHA-256</th></tr></thead>'
    )
    more = len(release.files) - len(listed)
    rest = f'<p class="quiet">{more:,} more stand in the manifest.</p>' if more else ""
    return _scrolled("Files and checksums", f"{head}<tbody>{rows}</tbody>") + rest


def _file(path: str, copied: set[str]) -> str:
    return _link(path, quote(path)) if path in copied else html.escape(path)


# HTML


def _scrolled(label: str, table: str) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>{table}</table></div>'


def _terms(told: dict[str, str]) -> str:
    items = "".join(f"<dt>{html.escape(term)}</dt><dd>{words}</dd>" for term, words in told.items())
    return f'<dl class="terms">{items}</dl>' if told else ""


def _said(said: Sequence[Said]) -> str:
    """Write values, with a link where the address is one that a browser may open."""
    return "<br>".join(
        _link(one.words or one.address, one.address) if _is_safe(one.address) else html.escape(one.words)
        for one in said
    )


def _is_safe(address: str | None) -> bool:
    return address is not None and address.startswith(("https://", "http://", "mailto:"))


def _link(words: str | None, address: str | None) -> str:
    return f'<a href="{html.escape(address or "")}">{html.escape(words or "")}</a>'


def _links(links: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<li>{_link(title, quote(path))}</li>" for title, path in links)
    return f'<ul class="list">{items}</ul>' if items else ""


def _chips(words: Sequence[str], label: str) -> str:
    items = "".join(f"<li>{html.escape(word)}</li>" for word in words)
    return f'<ul class="chips" aria-label="{label}">{items}</ul>' if items else ""
