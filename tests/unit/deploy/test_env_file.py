"""The `.env` of docker-compose.yml: random, private, never overwritten."""

from __future__ import annotations

import base64
import os
import re
import stat
from pathlib import Path

import pytest

from deploy.env_file import SECRETS, main, read_env, write_env

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
        if name.endswith(("_USER", "_KEY_ID")):
            assert 3 <= len(value) <= 20, name
        else:
            assert len(value) >= 32, name


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


def test_what_is_set_stays_and_what_is_missing_or_empty_is_added(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# mine\nPOSTGRES_PASSWORD=kept\nTEAM=team_b\nREDIS_PASSWORD=\n", encoding="utf-8")
    assert set(write_env(path)) == SECRETS.keys() - {"POSTGRES_PASSWORD"}
    assert path.read_text(encoding="utf-8").startswith("# mine\nPOSTGRES_PASSWORD=kept\nTEAM=team_b\n")
    assert SECRETS.keys() <= values(path).keys()
    assert all(values(path).values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert write_env(path) == []
    assert path.read_bytes() == before


def test_the_example_copied_and_completed_is_what_compose_wants(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes((Path(__file__).parents[3] / ".env.example").read_bytes())
    write_env(path)
    assert read_env(path).keys() == SECRETS.keys()


def test_a_file_is_read_without_comments_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# A=1\nB = two=2\nC='three'\n\n", encoding="utf-8")
    assert read_env(path) == {"B": "two=2", "C": "three"}
    assert read_env(tmp_path / "none") == {}


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
