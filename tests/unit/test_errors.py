"""An error that is kept keeps no table."""

from __future__ import annotations

import gc
import traceback
import weakref

from iris_core.errors import DataRejected, free_frames


class Table:
    """Stands for rows in memory."""


def read(held: list[weakref.ref[Table]]) -> None:
    table = Table()
    held.append(weakref.ref(table))
    raise ValueError("not a number")


def check(held: list[weakref.ref[Table]]) -> None:
    table = Table()
    held.append(weakref.ref(table))
    try:
        read(held)
    except ValueError as error:
        raise DataRejected("row 2: not a number") from error


def kept_error(held: list[weakref.ref[Table]]) -> DataRejected:
    try:
        check(held)
    except DataRejected as error:
        return error
    raise AssertionError


def test_a_kept_error_lets_go_of_what_its_functions_held() -> None:
    held: list[weakref.ref[Table]] = []
    error = kept_error(held)
    gc.collect()
    assert [one() is None for one in held] == [False, False]

    free_frames(error)
    gc.collect()

    assert [one() is None for one in held] == [True, True]
    assert "in read" in "".join(traceback.format_exception(error))
