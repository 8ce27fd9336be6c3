"""The `.env` of docker-compose.yml: random, private, never overwritten."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

import pytest

from iris_core.local.env_file import SECRETS, main, write_env

pytestmark = pytest.mark.unit


def values(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


def test_every_secret_has_a_long_value_that_needs_no_quoting(tmp_path: Path) -> None:
    write_env(tmp_path / ".env")
    written = values(tmp_path / ".env")
    assert set(written) == set(SECRETS)
    for name, value in written.items():
        assert re.fullmatch(r"[A-Za-z0-9_=-]+", value), name
        assert len(value) >= (3 if name == "AWS_ACCESS_KEY_ID" else 32), name


def test_the_fernet_key_is_32_bytes(tmp_path: Path) -> None:
    write_env(tmp_path / ".env")
    assert len(base64.urlsafe_b64decode(values(tmp_path / ".env")["AIRFLOW__CORE__FERNET_KEY"])) == 32


def test_only_the_owner_may_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_env(tmp_path / ".env")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_two_files_share_no_value(tmp_path: Path) -> None:
    write_env(tmp_path / "a")
    write_env(tmp_path / "b")
    assert not set(values(tmp_path / "a").values()) & set(values(tmp_path / "b").values())


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("POSTGRES_PASSWORD=kept\n", encoding="utf-8")
    assert not write_env(path)
    assert path.read_text(encoding="utf-8") == "POSTGRES_PASSWORD=kept\n"


def test_the_command_says_what_it_did_and_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".env"
    assert main([str(path)]) == 0
    said = capsys.readouterr().out
    assert "written" in said
    assert not any(value in said for value in values(path).values())
    assert main([str(path)]) == 0
    assert "left as it is" in capsys.readouterr().out
