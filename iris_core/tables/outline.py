"""What only reading tells of a stretch of CSV: how many rows end in it, and where the last of them does.

A stretch that begins in the midst of a file may begin inside quotes. So everything is found for both cases;
which one holds shows once the stretches before it are added. Nothing is parsed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iris_core.tables.inputs import Input, ranges
from iris_core.tables.records import NEWLINE, QUOTE

TAIL_BYTES = 4 << 10
"""The last row end of a piece is almost always in so many bytes at its end."""
_OTHERS = bytes({*range(256)} - {NEWLINE, QUOTE})


@dataclass(frozen=True)
class Outline:
    """The outline of consecutive bytes; `+` joins those of two stretches.

    :param is_odd: whether the number of quotes is odd.
    :param rows: the number of rows that end in the stretch if it begins outside quotes, and inside.
    :param last: the place in the file after the last of these rows, in both cases; 0 where no row ends.
    """

    is_odd: bool = False
    rows: tuple[int, int] = (0, 0)
    last: tuple[int, int] = (0, 0)

    def __add__(self, later: Outline) -> Outline:
        """The outline of this stretch and the next one."""
        order = (1, 0) if self.is_odd else (0, 1)
        return Outline(
            self.is_odd != later.is_odd,
            (self.rows[0] + later.rows[order[0]], self.rows[1] + later.rows[order[1]]),
            (later.last[order[0]] or self.last[0], later.last[order[1]] or self.last[1]),
        )


def outline(given: Input, start: int, end: int) -> Outline:
    """Read the bytes [start, end) and outline them."""
    found, place = Outline(), start
    for piece in ranges(given, start, end):
        found += outline_of(piece, place)
        place += len(piece)
    return found


def outline_of(data: bytes, place: int) -> Outline:
    """Outline bytes that begin at a place in their file."""
    if b'"' not in data:
        newlines = int(np.count_nonzero(np.frombuffer(data, np.uint8) == NEWLINE))
        return Outline(rows=(newlines, 0), last=(place + data.rfind(b"\n") + 1 if newlines else 0, 0))
    signs = np.frombuffer(data.translate(None, _OTHERS), np.uint8)
    is_inside, is_newline = _odd(signs == QUOTE), signs == NEWLINE
    inside = int(np.count_nonzero(is_newline & is_inside))
    rows = (int(np.count_nonzero(is_newline)) - inside, inside)
    is_odd = bool(is_inside[-1])
    ends = [_last_newline(data, is_odd != case) if rows[case] else 0 for case in (False, True)]
    return Outline(is_odd, rows, (place + ends[0] if ends[0] else 0, place + ends[1] if ends[1] else 0))


def _last_newline(data: bytes, is_odd: bool) -> int:
    """The place after the last newline that has an odd, or an even, number of quotes after it; 0 without."""
    for size in (TAIL_BYTES, len(data)):
        tail = np.frombuffer(data[-size:], np.uint8)[::-1]
        is_found = (tail == NEWLINE) & (_odd(tail == QUOTE) == is_odd)
        if is_found.any():
            return len(data) - int(np.argmax(is_found))
    return 0


def _odd(quotes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where the number of quotes so far is odd."""
    counts: NDArray[np.uint8] = np.add.accumulate(quotes.view(np.uint8), dtype=np.uint8)
    return (counts & 1).view(np.bool_)
