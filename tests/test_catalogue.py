"""The catalogue of releases: what is on its pages and what is not, and of what no pages are made."""

import hashlib
import json

import pytest
from catalogued import CLINIC, EVIL, Page, catalogue
from commands import refused
from releases import release

pytest.importorskip("rdflib")


# The pages


def test_every_data_set_is_listed_once_the_latest_first(catalogue_site):
    page = Page(catalogue_site / "index.html")
    hrefs = [attrs["href"] for tag, attrs in page.tags if tag == "a" and str(attrs.get("href")).endswith("/index.html")]
    assert hrefs == [f"{name}/index.html" for name in (CLINIC, "hospital.example-closed", "gone", "evil")]


def test_every_link_of_every_page_leads_somewhere(catalogue_site):
    pages = list(catalogue_site.rglob("index.html"))
    assert len(pages) == 11  # the list, five releases, five evaluations
    for path in pages:
        for link in Page(path).links():
            if not link.startswith(("https:", "http:", "mailto:", "#")):
                assert (path.parent / link).is_file(), f"{path}: {link}"


def test_a_page_loads_nothing_and_lets_only_its_own_script_run(catalogue_site):
    for path in (catalogue_site / "index.html", catalogue_site / CLINIC / "index.html"):
        page = Page(path)
        policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
        assert policy is not None and policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "'self'" not in policy and "unsafe" not in policy
        assert not [attrs for _, attrs in page.tags if "src" in attrs]


def test_what_a_record_says_cannot_become_html(catalogue_site):
    for path in (catalogue_site / "index.html", catalogue_site / "evil" / "index.html"):
        page = Page(path)
        assert not [
            tag for tag, attrs in page.tags if tag == "script" and attrs.get("type") not in (None, "application/json")
        ]
        assert "<script>alert" not in path.read_text(encoding="utf-8")
        assert EVIL in page.text


def test_a_release_tells_access_licence_making_and_checksums(catalogue_site):
    text = Page(catalogue_site / CLINIC / "index.html").text
    for told in (
        "everybody: access is public",
        "https://creativecommons.org/licenses/by/4.0/",
        "Data office, data@clinic.example",
        "Health Data Access Body, hdab@example.org",
        "2015-01-01 to 2024-12-31",
        "20 to 79 years",
        "learned from 1,234 persons or rows",
        "epsilon 2.0, delta 1e-06",
        "Evaluation: nothing speaks against use",
        "European Health Data Space",
        "The age of a row.",
        "dictionary/columns.csv",
        hashlib.sha256((catalogue_site / CLINIC / "data" / "patients.parquet").read_bytes()).hexdigest(),
    ):
        assert told in text


def test_versions_are_told_with_their_standing(catalogue_site):
    page = Page(catalogue_site / CLINIC / "index.html")
    assert "version-1.0.0/index.html" not in page.links()
    assert f"../{CLINIC}/version-1.0.0/index.html" in page.links()
    assert "retracted: a date too many" in page.text and "ab" * 32 in page.text
    seal = hashlib.sha256((catalogue_site / CLINIC / "manifest.json").read_bytes()).hexdigest()
    assert seal in page.text
    older = Page(catalogue_site / CLINIC / "version-1.0.0" / "index.html")
    assert "There is a newer version: 2.0.0" in older.text


def test_a_forced_release_says_so_plainly(catalogue_site):
    for path in (catalogue_site / "index.html", catalogue_site / "hospital.example-closed" / "index.html"):
        assert "published against advice" in Page(path).text.lower()
    text = Page(catalogue_site / "hospital.example-closed" / "index.html").text
    assert "needed for teaching" in text and "membership attack succeeds" in text


def test_a_retracted_release_is_a_tombstone(catalogue_site):
    text = Page(catalogue_site / "gone" / "index.html").text
    assert "This data set was retracted." in text and "traced back" in text
    assert "nobody: the data set was retracted" in text
    assert "retracted" in Page(catalogue_site / "index.html").text


def test_a_version_that_a_later_history_retracts_is_not_laid_open(tmp_path):
    retracted = {"version": "1.0.0", "date": "2026-05-04T10:00:00Z", "manifest": None, "retracted": "traced back"}
    old = release(tmp_path / "old")
    new = release(tmp_path / "new", version="2.0.0", published="2026-06-01T00:00:00Z", earlier=[retracted])
    site = catalogue(tmp_path / "site", old, new)
    assert (site / CLINIC / "data").is_dir()
    assert not (site / CLINIC / "version-1.0.0" / "data").exists()
    assert "traced back" in Page(site / CLINIC / "version-1.0.0" / "index.html").text


def test_data_that_are_not_public_stay_outside(catalogue_site, tmp_path):
    assert (catalogue_site / CLINIC / "data" / "patients.parquet").is_file()
    assert not list((catalogue_site / "hospital.example-closed").rglob("*.parquet"))
    closed = release(tmp_path / "closed", access="RESTRICTED")
    opened = catalogue(tmp_path / "site", closed, options=("--explorer", "none", "--open-all"))
    assert (opened / CLINIC / "data" / "patients.parquet").is_file()
    assert "who may see this site may have it" in Page(opened / CLINIC / "index.html").text


def test_two_runs_write_the_same_bytes(tmp_path):
    folder = release(tmp_path / "release")
    sites = [catalogue(tmp_path / name, folder) for name in ("one", "two")]
    files = [sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file()) for site in sites]
    assert files[0] == files[1]
    assert all((sites[0] / path).read_bytes() == (sites[1] / path).read_bytes() for path in files[0])


# What must not be written


def test_a_folder_that_is_no_release_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    told = refused(1, "catalogue", str(tmp_path / "empty"), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "is no release: it has no manifest.json" in told
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("record", "told"), [("no Turtle <", "cannot be read as Turtle"), ("", "does not describe one")]
)
def test_a_record_that_cannot_be_read_is_named(tmp_path, record, told):
    folder = release(tmp_path / "release")
    (folder / "records" / "healthdcat.ttl").write_text(record)
    said = refused(1, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "healthdcat.ttl" in said and told in said


def test_a_changed_report_is_refused(tmp_path):
    folder = release(tmp_path / "release")
    (folder / "evidence" / "model-card.md").write_text("all is well")
    told = refused(1, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "model-card.md is not what its manifest says; run omopsql verify" in told
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


@pytest.mark.parametrize("path", ["evidence/../../secret", "evidence/link"])
def test_a_manifest_cannot_lead_outside_of_the_release(tmp_path, path):
    (tmp_path / "secret").write_text("secret")
    folder = release(tmp_path / "release")
    (folder / "evidence" / "link").symlink_to(tmp_path / "secret")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"].append({"path": path, "bytes": 6, "sha256": hashlib.sha256(b"secret").hexdigest()})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    told = refused(1, "catalogue", str(folder), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "lies outside of the release" in told


def test_a_version_twice_is_refused(tmp_path):
    one, two = release(tmp_path / "one"), release(tmp_path / "two")
    told = refused(1, "catalogue", str(one), str(two), "-o", str(tmp_path / "site"), "--explorer", "none")
    assert "are both version 1.0.0 of https://clinic.example/data/patients" in told


def test_a_foreign_folder_is_not_replaced_and_an_older_site_is(tmp_path):
    folder, output = release(tmp_path / "release"), tmp_path / "site"
    output.mkdir()
    (output / "thesis.doc").write_text("years of work")
    told = refused(1, "catalogue", str(folder), "-o", str(output), "--explorer", "none")
    assert "holds something that is no site of omopsql catalogue" in told
    (output / "thesis.doc").unlink()
    catalogue(output, folder)
    (output / "left.html").write_text("of last year")
    catalogue(output, folder)
    assert not (output / "left.html").exists()


def test_a_release_is_not_overwritten_by_its_site(tmp_path):
    folder = release(tmp_path / "release")
    assert "holds the release" in refused(1, "catalogue", str(folder), "-o", str(folder), "--explorer", "none")
    assert "write the site to another folder" in refused(
        1, "catalogue", str(folder), "-o", str(tmp_path), "--explorer", "none"
    )
