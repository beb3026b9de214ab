"""Who takes part in a study: each site's private file, its public card, and the cards of all together."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from omopsql.errors import OmopsqlError

from . import envelope
from .envelope import Envelope, raw, text
from .primitives import KEY_BYTES, agreed, agreement_public, derived, require_cryptography, signing_public

ROUNDS = (1, 2, 3)
SITE, AGGREGATOR = "site", "aggregator"
_NAME = re.compile(r"[\w .-]{1,60}")
_FORMAT = "omopsql site 1"


@dataclass
class PrivateSite:
    """A site's private file: its keys, and what it has done so far.

    ``secret`` is the root of all keys. ``done`` remembers what was masked and unmasked, so that no round is masked
    twice with differing numbers, and no two sums are shown that differ by one site.
    """

    study: str
    name: str
    role: str
    nonce: str
    secret: str = field(repr=False)
    done: dict[str, str] = field(default_factory=dict)
    path: Path = field(default=Path(), repr=False)

    @classmethod
    def new(cls, study: str, name: str, role: str, path: Path) -> PrivateSite:
        """Make new keys. Raises OmopsqlError when the study or the site cannot be called so."""
        require_cryptography()
        for what, value in (("study", study), ("site", name)):
            if not _NAME.fullmatch(value):
                raise OmopsqlError(f"a {what} cannot be called {value!r}: use letters, digits, spaces and . _ -")
        return cls(study, name, role, secrets.token_hex(16), secrets.token_hex(KEY_BYTES), {}, path)

    @classmethod
    def read(cls, path: Path) -> PrivateSite:
        """Read a private file. Raises OmopsqlError when it is none, or when others on this machine may read it."""
        require_cryptography()
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told.pop("format") != _FORMAT:
                raise ValueError
            site = cls(**told, path=path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise OmopsqlError(f"{path} is no private file of a site: make one with omopsql site init") from error
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise OmopsqlError(f"{path} can be read by others on this machine: chmod 600 {path}")
        return site

    def write(self) -> None:
        """Write the private file, for the eyes of its owner alone; it appears complete or not at all."""
        told = {"format": _FORMAT, **{key: value for key, value in asdict(self).items() if key != "path"}}
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(told, file, indent=1)
        part.replace(self.path)

    def remember(self, act: str, what: str, refusal: str) -> None:
        """Note what was done. Raises OmopsqlError ``refusal`` when something else was done before."""
        if self.done.setdefault(act, what) != what:
            raise OmopsqlError(refusal)
        self.write()

    def key(self, purpose: str) -> bytes:
        """A private key of this site for one purpose."""
        return derived(bytes.fromhex(self.secret), f"omopsql/{self.study}/{self.name}/{self.nonce}/{purpose}")

    @property
    def signing_key(self) -> bytes:
        """The private key that signs."""
        return self.key("sign")

    @property
    def sealing_key(self) -> bytes:
        """The private key that opens boxes."""
        return self.key("seal")

    def round_key(self, number: int) -> bytes:
        """The private key from which the masks of one round follow. Shares of it give away that round alone."""
        return self.key(f"round {number}")

    def write_card(self, path: Path) -> None:
        """Write the public card."""
        says = {
            "study": self.study,
            "name": self.name,
            "role": self.role,
            "nonce": self.nonce,
            "sign": text(signing_public(self.signing_key)),
            "seal": text(agreement_public(self.sealing_key)),
            "rounds": [text(agreement_public(self.round_key(number))) for number in ROUNDS],
        }
        envelope.write(path, "card", says, self.signing_key)


@dataclass(frozen=True)
class Card:
    """A site's public keys."""

    path: Path
    says: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read a card. Raises OmopsqlError when it is none, or was changed."""
        found = envelope.read(path, "card")
        try:
            is_sound = found.is_signed_by(raw(found.says["sign"])) and len(found.says["rounds"]) == len(ROUNDS)
        except (KeyError, ValueError, TypeError):
            is_sound = False
        if not is_sound:
            raise OmopsqlError(f"{path} was changed after it was made: ask its site for it again")
        return cls(path, found.says)

    @property
    def name(self) -> str:
        """The site's name."""
        return str(self.says["name"])

    @property
    def sign(self) -> bytes:
        """The public key of its signatures."""
        return raw(self.says["sign"])

    @property
    def seal(self) -> bytes:
        """The public key of boxes to it."""
        return raw(self.says["seal"])

    def round_key(self, number: int) -> bytes:
        """The public key of its masks in one round."""
        return raw(self.says["rounds"][number - 1])

    @property
    def fingerprint(self) -> str:
        """Sixteen digits to compare by telephone."""
        digest = hashlib.sha256(json.dumps(self.says, sort_keys=True).encode()).hexdigest()[:16]
        return "-".join(digest[start : start + 4] for start in range(0, 16, 4))


@dataclass(frozen=True)
class Study:
    """The cards of all who take part, by name."""

    name: str
    cards: dict[str, Card]

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Study:
        """Read all cards. Raises OmopsqlError when they are of several studies, or a site has two."""
        require_cryptography()
        cards = [Card.read(path) for path in dict.fromkeys(paths)]
        by_name: dict[str, Card] = {}
        for card in cards:
            other = by_name.setdefault(card.name, card)
            if card.says["study"] != cards[0].says["study"]:
                raise OmopsqlError(
                    f"{card.path} is of study {card.says['study']!r}, {cards[0].path} of {cards[0].says['study']!r}; "
                    "give the cards of one study"
                )
            if other.says != card.says:
                raise OmopsqlError(f"{other.path} and {card.path} are two cards of {card.name}; keep the newer one")
        study = cls(str(cards[0].says["study"]) if cards else "", dict(sorted(by_name.items())))
        if len(study.sites) < 2:
            raise OmopsqlError(f"{len(study.sites)} cards of sites are too few: give those of all sites of the study")
        return study

    @cached_property
    def sites(self) -> list[str]:
        """The names of those who have data, in order."""
        return [name for name, card in self.cards.items() if card.says["role"] == SITE]

    @cached_property
    def session(self) -> str:
        """Names the sites and their keys: any other card makes it another."""
        told = [self.cards[name].says for name in self.sites]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def others(self, name: str) -> list[str]:
        """All sites but one."""
        return [other for other in self.sites if other != name]

    def member(self, own: PrivateSite, *, has_data: bool = True) -> Card:
        """The card of a private file. Raises OmopsqlError when it is not among the cards."""
        card = self.cards.get(own.name)
        if own.study != self.name or card is None or (has_data and own.name not in self.sites):
            raise OmopsqlError(
                f"{own.path} is the private file of {own.name} in study {own.study!r}, and there is no card of it "
                f"among those of study {self.name!r}: {', '.join(self.cards)}"
            )
        if card.sign != signing_public(own.signing_key):
            raise OmopsqlError(
                f"{own.path} and {card.path} do not belong together: {own.name} was made anew; use the newer files"
            )
        return card

    def checked(self, found: Envelope, by: str | None = None) -> Card:
        """Check who made a file, and for what; return the maker's card. Raises OmopsqlError when it is foreign."""
        says, path = found.says, found.path
        name = str(says.get("site"))
        if says.get("study") != self.name:
            raise OmopsqlError(f"{path} is of study {says.get('study')!r}, not of {self.name!r}")
        if name not in self.cards:
            raise OmopsqlError(f"{path} is of {name}, who has no card here; the cards are of {', '.join(self.cards)}")
        if by is not None and name != by:
            raise OmopsqlError(f"{path} is of {name}, not of {by}")
        if not found.is_signed_by(self.cards[name].sign):
            raise OmopsqlError(f"{path} is not signed by {name}: it was changed, or made with keys that are no more")
        if says.get("session") != self.session:
            raise OmopsqlError(
                f"{path} was made with other cards of study {self.name!r}, and is not counted again: "
                f"ask {name} to make it with the cards of now"
            )
        return self.cards[name]

    def seal(self, own: PrivateSite, to: str, purpose: str, secret: bytes) -> str:
        """Put a secret into a box that only one other site can open."""
        from .primitives import sealed

        return text(sealed(self._box_key(own, own.name, to, to, purpose), secret))

    def unseal(self, own: PrivateSite, sender: str, purpose: str, box: str, path: Path) -> bytes:
        """Open a box from another site. Raises OmopsqlError when it does not open."""
        from .primitives import opened

        secret = opened(self._box_key(own, sender, own.name, sender, purpose), raw(box))
        if secret is None:
            raise OmopsqlError(
                f"{path} holds a box from {sender} that {own.name} cannot open: it was made for other keys"
            )
        return secret

    def _box_key(self, own: PrivateSite, sender: str, to: str, other: str, purpose: str) -> bytes:
        told = f"omopsql box/{self.session}/{sender}/{to}/{purpose}"
        return agreed(own.sealing_key, self.cards[other].seal, told)
