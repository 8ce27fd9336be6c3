"""Counts rows that repeat an earlier one, in bounded memory."""

from __future__ import annotations

import polars as pl

MOST_HASHES = 1 << 19
HASH_BITS = 64


class Repeats:
    """Counts rows that equal an earlier row, by 64-bit hashes of their text.

    The count is exact up to `most` distinct rows. Beyond, only rows whose hash ends in `k` zero bits are
    counted, with `k` as small as `most` allows, and the count is scaled by 2^k: adaptive sampling (Flajolet,
    "On adaptive sampling", Computing 43, 1990). All copies of a row share a hash, so they are sampled
    together. Memory holds `most` distinct and as many new hashes, 8 bytes each, whatever the number of rows.
    """

    def __init__(self, most: int = MOST_HASHES) -> None:
        self._most = most
        self._bits = 0
        self._distinct = pl.Series(dtype=pl.UInt64)
        self._new: list[pl.Series] = []
        self._rows = [0] * (HASH_BITS + 1)
        """At place k: the number of rows whose hash ends in at least k zero bits."""

    def add(self, frame: pl.DataFrame) -> None:
        """Count the rows of one batch."""
        hashes = frame.hash_rows()
        for bits in range(HASH_BITS + 1):
            hashes = _ending_in_zeros(hashes, bits)
            if hashes.is_empty():
                break
            self._rows[bits] += hashes.len()
            if bits == self._bits:
                self._new.append(hashes)
        if sum(map(len, self._new)) >= self._most:
            self._settle()

    @property
    def is_exact(self) -> bool:
        """Whether every row has been counted so far."""
        self._settle()
        return self._bits == 0

    @property
    def total(self) -> int:
        """Number of rows that repeat an earlier one; an estimate unless `is_exact`."""
        self._settle()
        return (self._rows[self._bits] - self._distinct.len()) << self._bits

    @property
    def distinct(self) -> int:
        """Number of distinct rows; an estimate unless `is_exact`."""
        self._settle()
        return self._distinct.len() << self._bits

    def _settle(self) -> None:
        self._distinct = pl.concat([self._distinct, *self._new]).unique()
        self._new = []
        while self._distinct.len() > self._most:
            self._bits += 1
            self._distinct = _ending_in_zeros(self._distinct, self._bits)


def _ending_in_zeros(hashes: pl.Series, bits: int) -> pl.Series:
    return hashes.filter((hashes & ((1 << bits) - 1)) == 0) if bits else hashes
