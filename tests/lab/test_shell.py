"""The server without a browser: pages, headers, refusals, limits."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from cycloid.figures import theme
from cycloid.lab import create_app, serve
from cycloid.lab.guards import CONTENT_SECURITY_POLICY
from cycloid.lab.instruments import INSTRUMENTS
from cycloid.lab.pages import ROOT
from lab.clients import TestClient
from lab.fakes import StoryTeller

SHIPPED = sorted(p for p in ROOT.rglob("*") if p.suffix in {".js", ".css", ".html", ".svg"})


@pytest.fixture(scope="module")
def client():
    with TestClient(
        create_app(trainer=StoryTeller(), max_upload_bytes=5_000), base_url="http://127.0.0.1:8642"
    ) as client:
        yield client


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda one: one.slug)
def test_every_instrument_has_its_page_module_and_stylesheet(client, instrument):
    answer = client.get(f"/{instrument.slug}")
    assert answer.status_code == 200
    assert f'data-module="{instrument.module}"' in answer.text
    for other in INSTRUMENTS:
        assert f'href="/{other.slug}"' in answer.text
    assert client.get(instrument.module).headers["content-type"].startswith("text/javascript")
    assert client.get(instrument.stylesheet).headers["content-type"].startswith("text/css")
    assert "export" in client.get(instrument.module).text


def test_the_first_page_is_the_first_instrument(client):
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, f"/{INSTRUMENTS[0].slug}")


@pytest.mark.parametrize("path", ["/terrain", "/shell/shell.js", "/api/datasets", "/nothing", "/formula.js?text=x^2"])
def test_every_answer_carries_the_security_headers(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_policy_allows_nothing_inline_and_nothing_from_outside():
    policy = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert policy["default-src"] == "'none'"
    assert {policy["script-src"], policy["style-src"], policy["connect-src"]} == {"'self'"}
    assert policy["img-src"] == "'self' data:"
    assert "unsafe" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda one: one.slug)
def test_pages_hold_no_inline_script_or_style(client, instrument):
    html = client.get(f"/{instrument.slug}").text
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_files_name_no_outside_address_and_no_eval(path):
    text = path.read_text(encoding="utf-8")
    addresses = [url for url in re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text) if "www.w3.org" not in url]
    assert addresses == []
    assert re.findall(r"\beval\(|new Function\b|\.innerHTML\b|document\.write", text) == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "127.0.0.1.evil.example", "0.0.0.0", "", "[::1", "192.168.1.7"]
)
def test_other_names_for_this_machine_are_refused(client, host):
    answer = client.get("/terrain", headers={"host": host})
    assert answer.status_code == 403
    assert "127.0.0.1" in answer.json()["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:8642", "127.0.0.1:9"])
def test_loopback_names_are_answered(client, host):
    assert client.get("/terrain", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_orders_from_other_pages_are_refused(client, headers):
    assert client.post("/api/runs", json={"bundled": "diabetes"}, headers=headers).status_code == 403


def test_orders_from_the_labs_own_pages_are_taken(client):
    headers = {"origin": "http://127.0.0.1:8642", "sec-fetch-site": "same-origin"}
    assert client.post("/api/runs", json={"bundled": "diabetes"}, headers=headers).status_code == 202


def test_bodies_above_the_limit_are_stopped(client):
    answer = client.post("/api/uploads?name=a.csv", content=b"x" * 5_001)
    assert answer.status_code == 413
    assert "command line" in answer.json()["message"]


def test_bodies_that_do_not_say_their_length_are_counted(client):
    def drip():
        for _ in range(60):
            yield b"1,2\n" * 25

    assert client.post("/api/uploads?name=a.csv", content=drip()).status_code == 413


def test_an_unknown_address_is_a_sentence(client):
    answer = client.get("/no/such/thing")
    assert (answer.status_code, answer.json()["message"]) == (404, "There is nothing at /no/such/thing.")


@pytest.mark.parametrize("path", ["/shell/../app.py", "/widgets/..%2fapp.py", "/shell/%2e%2e/guards.py"])
def test_nothing_beside_the_static_folders_is_served(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", ""])
def test_the_lab_never_listens_to_a_network(host):
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 only"):
        serve(host=host, open_browser=False)


def test_a_taken_port_is_a_sentence():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f"Port {port} of 127.0.0.1 is taken"):
            serve(port=port, open_browser=False)


def test_the_application_starts_without_loading_jax():
    heavy = ["jax", "sympy", "plotly", "pandas", "sklearn"]
    program = f"import sys, cycloid.lab as lab; lab.create_app(); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def declared(dark):
    """The colours that base.css declares for one theme."""
    css = (ROOT / "shell" / "base.css").read_text(encoding="utf-8")
    light_part, dark_part = css.split("@media (prefers-color-scheme: dark)", 1)
    return dict(re.findall(r"--([\w-]+): ([^;]+);", dark_part if dark else light_part))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_pages_wear_the_colours_of_the_figures(dark):
    expected = theme.palette(dark)
    assert {name: declared(dark)[name] for name in expected} == expected


def test_an_optimizer_has_one_colour_everywhere():
    roles = {
        name.removeprefix("method-"): value for name, value in declared(False).items() if name.startswith("method-")
    }
    assert len(roles) == 8
    for method, value in roles.items():
        assert theme.palette()[value.removeprefix("var(--").removesuffix(")")] == theme.colour_of(method)


def luminance(colour):
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(dark):
    """Contrast of at least 4.5, as the Web Content Accessibility Guidelines 2.2 ask for text."""
    colours = declared(dark)
    grounds = {"paper", "sheet", "sunken"}
    pairs = [(text, on) for text in ("ink", "muted", "accent", "warm-text", "green-text") for on in sorted(grounds)]
    for text, on in [
        *pairs,
        ("on-accent", "accent"),
        ("ink", "wash-accent"),
        ("ink", "wash-warm"),
        ("accent", "wash-accent"),
    ]:
        light, deep = sorted((luminance(colours[text]), luminance(colours[on])), reverse=True)
        assert (light + 0.05) / (deep + 0.05) >= 4.5, f"{text} on {on}"


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are sent differently there")
def test_the_lab_serves_until_it_is_interrupted():
    program = "from cycloid.lab import serve; serve(port=0, open_browser=False)"
    lab = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", lab.stderr.readline())[0]
        assert httpx.get(address, follow_redirects=True).status_code == 200
        lab.send_signal(signal.SIGINT)
        assert lab.wait(20) == 0
        assert lab.stderr.read() == ""
    finally:
        lab.kill()
        lab.wait()
        lab.stderr.close()
