"""``omopsql publish`` and ``omopsql verify`` as they are typed."""

import stat

import commands
import published
import pytest

from omopsql import OmopsqlError
from omopsql.publish import keys

for _library in ("cryptography", "rdflib", "pyshacl", "yaml"):
    pytest.importorskip(_library)


@pytest.fixture
def place(folder, monkeypatch):
    """A folder with data, evidence and what a steward says, and a home of its own for keys."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "home"))
    monkeypatch.delenv("OMOPSQL_VOCABULARY", raising=False)
    published.write_table(folder / "patients.parquet")
    published.write_about(folder / "about.yaml")
    return folder


def _evaluated(place):
    import datetime

    return published.write_evaluation(place / "report", place / "patients.parquet", datetime.datetime.now(datetime.UTC))


def _publish(*more):
    return ("publish", "patients.parquet", "--metadata", "about.yaml", "-o", "release", *more)


def test_a_release_is_published_and_verified(place):
    _evaluated(place)
    told = commands.done(*_publish("--evaluation", "report")).stderr
    key = place / "home/omopsql/signing-key.pem"
    assert f"Made a key that signs your releases, {key}" in told
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "Published version 1 of https://hospital.example/data/clinic, 1 tables, 300 rows" in told
    again = commands.done(*_publish("--evaluation", "report")).stderr
    assert "Made a key" not in again
    assert "version 2" in again
    sound = commands.done("verify", "release")
    assert "signed by the key in the release" in sound.stdout
    (place / "ours.pem").write_bytes(keys.public_pem(keys.read_private(key)))
    assert "signed by ours.pem" in commands.done("verify", "release", "--key", "ours.pem").stdout
    with (place / "release/data/patients.parquet").open("ab") as file:
        file.write(b"\0")
    broken = commands.run("verify", "release")
    assert broken.exit_code == 1
    assert "data/patients.parquet: it was changed" in broken.stdout
    assert broken.stderr.startswith("Error: release is not as it was signed: ")


def test_a_refusal_tells_every_reason_and_writes_nothing(place):
    before = published.contents(place)
    quality = published.write_quality(place / "quality.json", table_person="fatal")
    told = commands.refused(1, *_publish("--quality", quality.name, "--key", _key(place)))
    assert told.startswith("not published, for 2 reasons: (1) there is no evaluation")
    assert "(2) the check table_person failed" in told
    assert published.contents(place).keys() - before.keys() == {"quality.json", "key.pem"}


def _key(place) -> str:
    keys.make_private(place / "key.pem")
    return "key.pem"


def test_a_forced_release_says_so(place):
    told = commands.done(*_publish("--key", _key(place), "--force", "For a course"))
    assert "Forced, although there is no evaluation" in told.stderr
    assert "For a course" in (place / "release/README.md").read_text()


def test_a_retraction(place):
    key = _key(place)
    commands.done(*_publish("--key", key, "--force", "For a course"))
    assert "needs --reason" in commands.refused(2, "publish", "--retract", "release")
    told = commands.done("publish", "--retract", "release", "--reason", "An error", "--key", key).stderr
    assert "its data are gone" in told
    assert not (place / "release/data").exists()
    commands.done("verify", "release")


def test_a_connector_is_told_of_a_release_and_of_its_retraction(place, monkeypatch):
    from omopsql.publish.records import edc

    sent = []

    def send(url, api_key, release):
        sent.append((url, api_key, (release / "data").exists()))
        if len(sent) == 2:
            raise OmopsqlError("it does not answer")
        return ["asset: created"]

    withdrawn = []
    monkeypatch.setattr(edc, "send", send)
    monkeypatch.setattr(edc, "withdraw", lambda *told: withdrawn.append(told) or "contract: deleted")
    monkeypatch.setenv("OMOPSQL_EDC_KEY", "secret")
    key, url = _key(place), "https://connector.example/management"
    told = commands.done(*_publish("--key", key, "--force", "For a course", "--edc", url)).stderr
    assert "asset: created" in told
    commands.done("publish", "--retract", "release", "--reason", "An error", "--key", key, "--edc", url)
    assert sent == [(url, "secret", True)]
    assert withdrawn == [(url, "secret", "https://hospital.example/data/clinic")]
    failed = commands.run(*_publish("--key", key, "--force", "For a course", "--edc", url))
    assert failed.exit_code == 1
    assert "release stands, but the connector was not told: it does not answer" in failed.stderr
    commands.done("verify", "release")


def test_mistakes_are_told_in_a_line(place):
    (place / "mine").mkdir()
    (place / "mine/letter.txt").write_text("mine")
    (place / "letters.csv").write_text("a\n1\n")
    published.write_table(place / "unmarked.parquet", generation=None)
    key = _key(place)
    base = ("--metadata", "about.yaml", "--key", key)
    for code, words, told in (
        (2, ("publish", "patients.parquet", "-o", "release"), "--metadata is missing"),
        (2, ("publish", "patients.parquet", "--metadata", "about.yaml"), "-o is missing"),
        (2, _publish("--key", key, "--force", " "), "give the reason"),
        (2, _publish("--evaluation", "none"), "does not exist"),
        (1, ("publish", "none.parquet", *base, "-o", "release"), "there is no file or folder none.parquet"),
        (1, ("publish", "letters.csv", *base, "-o", "release"), "is no Parquet file"),
        (1, ("publish", "mine", *base, "-o", "release"), "holds no Parquet file"),
        (1, ("publish", "unmarked.parquet", *base, "-o", "release"), "says that it is synthetic"),
        (1, ("publish", "patients.parquet", *base, "-o", "mine"), "no release of omopsql"),
        (1, ("publish", "patients.parquet", *base, "--ledger", "letters.csv", "-o", "none/release"), "no folder"),
        (1, ("publish", "patients.parquet", *base, "--evaluation", "mine", "-o", "release"), "evaluation.json"),
        (1, ("publish", "patients.parquet", *base, "--quality", "about.yaml", "-o", "release"), "is no JSON"),
        (1, ("verify", "mine"), "is no release"),
    ):
        assert told in commands.refused(code, *words), words
    assert not (place / "release").exists()
    assert commands.files(place / "mine") == ["letter.txt"]
