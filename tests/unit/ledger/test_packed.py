"""Decided versions in little memory: each is found, however their digests are spread."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_core.ledger.identity import Variant
from iris_core.ledger.packed import WIDTH, Packed, Standing

pytestmark = pytest.mark.unit
DAY = "2026-01-31"


def standing(number: int) -> Standing:
    return Standing((Variant(f"v{number}"),), frozenset())


def packed(digests: list[bytes]) -> Packed:
    found = Packed()
    found.put(DAY, ((digest.hex(), standing(number)) for number, digest in enumerate(sorted(digests))))
    return found


@given(st.sets(st.binary(min_size=WIDTH, max_size=WIDTH)), st.binary(min_size=WIDTH, max_size=WIDTH))
def test_any_digests(digests: set[bytes], other: bytes) -> None:
    found = packed(list(digests))
    for number, digest in enumerate(sorted(digests)):
        assert found.find(DAY, digest.hex()) == standing(number)
    assert (found.find(DAY, other.hex()) is not None) == (other in digests)


@pytest.mark.parametrize("first", [b"", b"\0", b"\xff", b"\0\0\0\0\0"])
def test_many(first: bytes) -> None:
    """Digests of versions are spread evenly; if these were not, they would be found as well."""
    chance = random.Random(first)
    digests = sorted(first + chance.randbytes(WIDTH - len(first)) for _ in range(5_000))
    found, _ = Packed.parse(packed(digests).dump({}))
    for number, digest in enumerate(digests):
        assert found.find(DAY, digest.hex()) == standing(number)
        assert found.find(DAY, chance.randbytes(WIDTH).hex()) is None


def test_a_digest_across_two_others_is_not_there() -> None:
    one, two = bytes(WIDTH), bytes(range(WIDTH))
    across = (one + two)[WIDTH // 2 :][:WIDTH]
    assert packed([one, two]).find(DAY, across.hex()) is None
    assert packed([one, two, across]).find(DAY, across.hex()) is not None


def test_content_of_another_layout_is_refused() -> None:
    """As a later Iris may write it: whole, but with other days than are read here."""
    body = packed([bytes(WIDTH)]).dump({})
    content = body[32:] + b"more"
    with pytest.raises(ValueError, match="another size"):
        Packed.parse(bytearray(sha256(content).digest()) + content)
