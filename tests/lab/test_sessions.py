"""Training runs as the server keeps them: events in order, workers in number, cancelling, failures in words."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cycloid.lab import create_app
from cycloid.lab.orders import Order
from cycloid.lab.sessions import KEPT, Busy, Sessions
from lab.clients import TestClient
from lab.fakes import StoryTeller

ORDER = {"bundled": "diabetes", "model": "linear", "method": "sgd", "max_steps": 20}


@pytest.fixture
def client():
    with TestClient(create_app(trainer=StoryTeller()), base_url="http://127.0.0.1") as client:
        yield client


def begin(client, **changes):
    answer = client.post("/api/runs", json={**ORDER, **changes})
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def parse(text):
    """Server-sent events as (id, kind, data)."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return [(int(b["id"]), b["event"], json.loads(b["data"])) for b in blocks if "event" in b]


def hear(client, run, **headers):
    answer = client.get(f"/api/runs/{run}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    return parse(answer.text)


def test_a_run_tells_its_story_in_order(client):
    events = hear(client, begin(client))
    kinds = [kind for _, kind, _ in events]
    assert [number for number, _, _ in events] == list(range(len(events)))
    assert kinds[:4] == ["phase", "phase", "data", "model"]
    assert kinds[4:-2] == ["record"] * 20
    assert kinds[-2:] == ["result", "finished"]
    assert [data["step"] for _, kind, data in events if kind == "record"] == list(range(1, 21))


def test_a_reader_that_lost_the_line_goes_on_where_it_was(client):
    run = begin(client)
    everything = hear(client, run)
    assert hear(client, run, **{"last-event-id": "9"}) == everything[10:]


def test_a_failure_of_the_users_making_is_told_as_it_is(client):
    kind, data = hear(client, begin(client, seed=13))[-1][1:]
    assert kind == "failure"
    assert "line 7" in data["message"]


def test_any_other_failure_keeps_its_details_for_the_terminal(client, caplog):
    kind, data = hear(client, begin(client, seed=14))[-1][1:]
    assert kind == "failure"
    assert "secret" not in data["message"]
    assert "secret details" in caplog.text


def test_an_unknown_run_is_a_sentence(client):
    for answer in (client.get("/api/runs/none/events"), client.post("/api/runs/none/cancel")):
        assert (answer.status_code, answer.json()["message"]) == (404, "This run is no longer remembered.")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"bundled": "titanic"}, "diabetes, breast_cancer"),
        ({"bundled": None}, "upload a CSV"),
        ({"upload": "gone", "target": "y"}, "choose it again"),
        ({"model": "oracle"}, "linear, logistic"),
        ({"method": ["adam"]}, "adam"),
        ({"learning_rate": 0}, "learning rate"),
        ({"learning_rate": "fast"}, "learning rate"),
        ({"learning_rate": True}, "learning rate"),
        ({"batch_size": 1.5}, "whole number"),
        ({"max_steps": 10**9}, "100000"),
        ({"seed": -1}, "seed"),
        ({"hidden": []}, "hidden layers"),
        ({"hidden": [64, None]}, "hidden layers"),
        ({"hidden": "64"}, "hidden layers"),
    ],
)
def test_a_bad_order_says_what_to_change(client, changes, part):
    answer = client.post("/api/runs", json={**ORDER, **changes})
    assert answer.status_code == 422
    assert part in answer.json()["message"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"\xff", 400), (b"[]", 422), (b'{"learning_rate": NaN}', 422)]
)
def test_an_order_that_is_no_object_is_refused(client, body, status):
    assert client.post("/api/runs", content=body).status_code == status


def order(seed=0, steps=4):
    return Order("diabetes", "Diabetes", None, seed=seed, max_steps=steps)


async def collect(session):
    return parse("".join([part async for part in session.events()]))


def heard(session):
    """All events of a session, in a thread of its own: a browser opened by other tests keeps a loop in this one."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(lambda: asyncio.run(collect(session))).result()


def test_workers_are_few_and_the_others_wait_their_turn():
    story = StoryTeller()
    sessions = Sessions(story, workers=2)
    runs = [sessions.start(order(seed=7)) for _ in range(5)]
    story.gate.set()
    endings = [heard(run)[-1][1] for run in runs]
    sessions.close()
    assert endings == ["finished"] * 5
    assert story.most == 2


def test_too_many_waiting_runs_are_refused_and_a_free_place_is_taken_again():
    story = StoryTeller()
    sessions = Sessions(story, workers=1)
    runs = [sessions.start(order(seed=7)) for _ in range(7)]
    with pytest.raises(Busy, match="cancel one"):
        sessions.start(order())
    story.gate.set()
    for run in runs:
        heard(run)
    assert heard(sessions.start(order()))[-1][1] == "finished"
    sessions.close()


def test_old_runs_are_forgotten():
    sessions = Sessions(StoryTeller(), workers=1)
    runs = []
    for _ in range(KEPT + 3):
        runs.append(sessions.start(order()))
        heard(runs[-1])
    sessions.start(order())
    assert sessions.get(runs[0].id) is None
    assert sessions.get(runs[-1].id) is runs[-1]
    sessions.close()


def test_a_running_run_is_cancelled_over_the_wire(address, story):
    with httpx.Client(base_url=address, timeout=20) as wire:
        run = wire.post("/api/runs", json={**ORDER, "seed": 7}).json()["id"]
        seen = ""
        with wire.stream("GET", f"/api/runs/{run}/events") as stream:
            for part in stream.iter_text():
                if "event: record" in part and "cancel" not in seen:
                    assert wire.post(f"/api/runs/{run}/cancel").status_code == 200
                seen += part
        assert parse(seen)[-1][1] == "cancelled"
        assert not story.gate.is_set()


def test_stopping_the_lab_sends_listeners_home_and_ends_the_runs():
    story = StoryTeller()
    sessions = Sessions(story, workers=1)
    first, second = sessions.start(order(seed=7)), sessions.start(order(seed=7))
    sessions.close()
    for run in (first, second):
        assert heard(run)[-1][2] == {"message": "The lab was stopped."}
    sessions._pool.shutdown(wait=True)
    assert story.running == 0
