"""about.yaml: what a steward says, and what is told when something is missing or wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import described_release as release
import pytest

from omopsql.errors import OmopsqlError
from omopsql.publish import about as about_file
from omopsql.publish.entries import ENTRIES
from omopsql.publish.said import EHDS, Agent, Dataspace, Period

pytest.importorskip("yaml")

ALWAYS = [entry.name for entry in ENTRIES if entry.needed == "always"]
EXAMPLES = {entry.name: entry.example for entry in ENTRIES}


def refused(text: str) -> str:
    """What is told of a text that cannot be used, in one line."""
    with pytest.raises(OmopsqlError) as error:
        about_file.parse(text)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_minimal() -> None:
    said = release.about("PUBLIC")
    assert said.title == "Synthetic diabetes cohort"
    assert said.health_categories == ("EHRS",)
    assert said.health_data_access_body == Agent("National Health Data Agency", email="info@hdab.example")
    assert said.legislation == (EHDS,)
    assert said.prohibited == ("re-identification",)


def test_every_entry() -> None:
    said = release.full_about()
    assert said.retention == Period(date(2026, 1, 1), date(2031, 12, 31))
    assert said.dataspace == Dataspace("did:web:hospital.example", "https://connector.hospital.example/api/dsp")
    assert said.keywords == ("diabetes", "synthetic data", "OMOP")
    assert said.personal_data == ("Age", "Gender", "HealthRecord")


@pytest.mark.parametrize("name", ALWAYS)
def test_missing_entry_is_named(name: str) -> None:
    said = {key: value for key, value in EXAMPLES.items() if key != name}
    told = refused(about_file.commented(said))
    assert f"{name} is missing: write " in told


def test_all_that_is_missing_is_told_at_once() -> None:
    told = refused("access: NON_PUBLIC")
    for name in [*(name for name in ALWAYS if name != "access"), "contact", "keywords"]:
        assert f"{name} is missing" in told


def test_only_what_is_not_public_needs_a_contact_and_keywords() -> None:
    assert release.about("PUBLIC").contact is None
    assert release.about("RESTRICTED").keywords == ()
    address = "http://publications.europa.eu/resource/authority/access-right/NON_PUBLIC"
    for access in ("NON_PUBLIC", "non_public", address):
        told = refused(release.MINIMAL.format(access=access))
        assert "contact is missing" in told and "keywords is missing" in told


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("access_url: hospital.example", "access_url: write an address that begins with https://"),
        ("documentation: ['https://a b']", "documentation: write an address"),
        ("access: OPEN", "access: 'OPEN' is no code of the list access-right; write one of PUBLIC (Public)"),
        ("health_categories: [EHR]", "EHRS (Data from electronic health records)"),
        ("countries: Germany", "DEU (Germany)"),
        ("title: 12", "title: write a text in quotes, not 12"),
        ("identifier: two words", "identifier: write one without blanks"),
        ("contact: {email: a@b.example}", "contact: write its name"),
        ("contact: {name: Office}", "contact: write an email or a page at which to reach Office"),
        ("contact: {name: Office, email: office}", "contact: email: write an e-mail address"),
        ("contact: {name: Office, phone: '1'}", "contact: phone is none of name, email, page, type, note"),
        ("contact: Office", "contact: write name, email, page, type, note below it"),
        ("holder: {name: H, email: a@b.example, type: hospital}", "healthcare-providers (Healthcare providers)"),
        ("retention: {start: 2031-01-01, end: 2026-01-01}", "retention: it ends on 2026-01-01, before it starts"),
        ("retention: {end: soon}", "retention: end: write a day as 2031-12-31, not 'soon'"),
        ("personal_data: [Health record]", "personal_data: write a term of the Data Privacy Vocabulary"),
        ("prohibited: [selling]", "prohibited: write re-identification, distribution, linkage, not 'selling'"),
        ("dataspace: {participant: 'did:web:h'}", "dataspace: write both, the participant and the endpoint"),
        ("text_language: English", "text_language: write a language tag such as en or de"),
        ("titel: x", "titel is no entry of about.yaml; did you mean title?"),
        ("zzz: x", "zzz is no entry of about.yaml: remove it"),
    ],
)
def test_wrong_entry_says_what_to_write(line: str, words: str) -> None:
    name = line.split(":")[0]
    rest = [one for one in release.MINIMAL.format(access="PUBLIC").splitlines() if not one.startswith(f"{name}:")]
    assert words in refused("\n".join([*rest, line]))


def test_full_address_of_a_code() -> None:
    address = "https://hdeu-dcat.data.health.europa.eu/resource/authority/health-theme/CANCER_DISEASE"
    assert release.about(more=f"health_themes: ['{address}']").health_themes == ("CANCER_DISEASE",)


def test_codes_in_any_case() -> None:
    assert release.about(more="languages: [eng]\ncountries: deu").countries == ("DEU",)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert refused("title: x") == "reading about.yaml needs PyYAML: pip install 'omopsql[publish]'"


def test_no_yaml(tmp_path: Path) -> None:
    assert "about.yaml, line 2 is not YAML" in refused("title: x\ndescription: [")
    assert "says nothing: `omopsql publish --init`" in refused("# nothing\n")
    with pytest.raises(OmopsqlError, match="--init"):
        about_file.read(tmp_path / "about.yaml")


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "about.yaml"
    path.write_text(about_file.commented(EXAMPLES), encoding="utf-8")
    assert about_file.read(path) == release.full_about()


def test_template_is_all_comments() -> None:
    template = about_file.commented({})
    assert all(line.startswith("#") for line in template.splitlines() if line)
    for entry in ENTRIES:
        assert f"# {entry.name}:" in template


def test_address() -> None:
    assert release.about().address == "https://hospital.example/data/diabetes"
    page = "landing_page: https://hospital.example/data/diabetes"
    assert release.about(more=page).address == "https://hospital.example/data/diabetes#dataset"
    minimal = release.MINIMAL.format(access="PUBLIC").replace("https://hospital.example/data/diabetes", "clinic/2026")
    assert about_file.parse(minimal).address == "https://hospital.example/data/apply#clinic-2026"


def answering(answers: dict[str, list[str]]) -> Callable[[str], str]:
    """A steward who has answers to questions, by the beginnings of these."""

    def ask(question: str) -> str:
        beginning = next(one for one in answers if question.startswith(f"{one}:"))
        return answers[beginning].pop(0)

    return ask


def test_interview() -> None:
    told: list[str] = []
    answers = {
        "title": ["Synthetic clinic"],
        "description": ["Patients."],
        "identifier": ["my clinic", "clinic-1"],
        "access": ["private", "NON_PUBLIC"],
        "access_url": ["https://hospital.example/apply"],
        "licence": ["https://creativecommons.org/licenses/by/4.0/"],
        "health_categories": ["EHRS, MRMR"],
        "health_data_access_body, name": ["Agency", "Agency"],
        "health_data_access_body, email": ["", "info@hdab.example"],
        "health_data_access_body, page": ["", ""],
        "publisher, name": ["Hospital"],
        "publisher, email": ["data@hospital.example"],
        "publisher, page": ["https://hospital.example"],
        "contact, name": ["Office"],
        "contact, email": [""],
        "contact, page": ["https://hospital.example/data"],
        "keywords": ["diabetes, synthetic data"],
    }
    text = about_file.interview(answering(answers), told.append)
    said = about_file.parse(text)
    assert said.identifier == "clinic-1"
    assert said.health_categories == ("EHRS", "MRMR")
    assert said.health_data_access_body == Agent("Agency", email="info@hdab.example")
    assert said.contact == Agent("Office", page="https://hospital.example/data")
    assert said.keywords == ("diabetes", "synthetic data")
    assert [one.split(":")[0] for one in told] == ["identifier", "access", "health_data_access_body"]
    assert not any(answers.values())
    assert "# retention:" in text


def test_interview_asks_no_more_than_is_needed() -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        name = question.split(":")[0]
        asked.append(name.split(",")[0])
        if "," in name:
            return str(EXAMPLES[name.split(",")[0]].get(name.split(", ")[1], ""))
        return "PUBLIC" if name == "access" else str(EXAMPLES[name]) if name != "health_categories" else "EHRS"

    about_file.interview(ask, pytest.fail)
    assert set(asked) == set(ALWAYS)
