"""Options that several commands have: files to write, and reasons."""

from __future__ import annotations

import os
from pathlib import Path

import typer


def writable(file: Path | None) -> Path | None:
    """Refuse an option's file that cannot be written, before any work.

    :param file: the file that the option names; it need not exist. None: the option was not given.
    :raises BadParameter: it is a folder, its folder does not exist, or one of the two may not be written.
    """
    if file is None:
        return None
    folder = file.absolute().parent
    if file.is_dir():
        raise typer.BadParameter(f"{str(file)!r} is a folder. Name a file.")
    if not folder.is_dir():
        raise typer.BadParameter(f"File {str(file)!r} has no folder: {str(folder)!r} is none. Make it first.")
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise typer.BadParameter(f"File {str(file)!r} may not be written. Name another.")
    return file


def reasoned(reason: str) -> str:
    """Refuse a reason without a word: the record keeps it for whoever asks later.

    :raises BadParameter: it is empty or blank.
    """
    if not reason.strip():
        raise typer.BadParameter("It is empty. Say why: the record keeps it.")
    return reason
