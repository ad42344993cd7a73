"""Uploaded tables: what is read of them, what is said of bad ones, where they lie and when they go."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from cycloid.lab import create_app
from cycloid.lab.uploads import KEPT
from lab.clients import TestClient
from lab.fakes import StoryTeller

GOOD = b"age,height,weight\n31,170,65\n44,182,80\n29,165,58\n"


@pytest.fixture
def app():
    return create_app(trainer=StoryTeller())


@pytest.fixture
def client(app):
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def send(client, body, name="people.csv"):
    return client.post("/api/uploads", params={"name": name}, content=body)


def folder(app) -> Path:
    return app.state.uploads._room()


def test_columns_and_first_rows_come_back(client):
    answer = send(client, GOOD).json()
    assert (answer["name"], answer["columns"], answer["rows"]) == ("people.csv", ["age", "height", "weight"], 3)
    assert answer["preview"][1] == ["44", "182", "80"]


@pytest.mark.parametrize("body", ["größe;y\n1;2\n3;4\n".encode(), "größe\ty\n1\t2\n3\t4\n".encode("utf-8-sig")])
def test_other_separators_and_a_byte_order_mark_are_understood(client, body):
    assert send(client, body).json()["columns"] == ["größe", "y"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        (b"a,b\n", "row"),
        (b"PK\x03\x04" + b"\0" * 100, "Excel"),
        (bytes(range(256)) * 4, "binary"),
        (b"only\n1\n2\n", "one column"),
        (b"a,b\n1,2,3,4\n", "line 2"),
    ],
)
def test_a_bad_file_is_a_sentence_and_leaves_nothing_behind(client, app, body, part):
    answer = send(client, body)
    message = answer.json()["message"]
    assert answer.status_code == 422
    assert part.lower() in message.lower()
    assert str(folder(app)) not in message
    assert list(folder(app).iterdir()) == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "", "a\0b.csv", "ü" * 500])
def test_a_name_is_only_a_label(client, app, name):
    answer = send(client, GOOD, name).json()
    assert not {"/", "\\"} & set(answer["name"])
    (stored,) = folder(app).iterdir()
    assert stored.name == f"{answer['id']}.csv"


def test_files_lie_in_a_temporary_folder_that_goes_with_the_lab(app):
    with TestClient(app, base_url="http://127.0.0.1") as client:
        send(client, GOOD)
        room = folder(app)
        assert room.parent == Path(tempfile.gettempdir())
        assert len(list(room.iterdir())) == 1
    assert not room.exists()


def test_only_the_latest_files_are_kept(client, app):
    keys = [send(client, GOOD).json()["id"] for _ in range(KEPT + 2)]
    assert len(list(folder(app).iterdir())) == KEPT
    order = {"upload": keys[0], "target": "weight"}
    answer = client.post("/api/runs", json=order)
    assert answer.status_code == 422
    assert "choose it again" in answer.json()["message"]
    assert client.post("/api/runs", json={**order, "upload": keys[-1]}).status_code == 202
