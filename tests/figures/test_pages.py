"""Figures and reports on disk: one file, nothing from any network, no way for a name to become a script."""

import json
import re
import shutil
from html.parser import HTMLParser

import equinox as eqx
import jax
import numpy as np
import pytest

import cycloid as cy
from cycloid import figures
from cycloid.figures.images import BROWSERS, script_json

from .conftest import CLASSES, NASTY

BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed on this machine")


@pytest.fixture(scope="session")
def report(tmp_path_factory, comparison, data):
    path = tmp_path_factory.mktemp("report") / "report.html"
    card = cy.checks.compare(NASTY, "<a>", "<b>", 1.0, 1.0, allowance=1.0)
    assert figures.write_report(path, comparison, data, card, command=f"cycloid train x.csv --target '{NASTY}'",
                                seed=3, title=NASTY) == path  # fmt: skip
    return path


@pytest.fixture(scope="session")
def written(report):
    """The page without plotly.js, which is not ours."""
    from plotly.offline import get_plotlyjs

    text = report.read_text(encoding="utf-8")
    assert text.count(get_plotlyjs()) == 1
    return text.replace(get_plotlyjs(), "")


def test_the_report_is_one_file_below_six_megabytes(report):
    assert report.stat().st_size < 6_000_000
    assert [p.name for p in report.parent.iterdir()] == ["report.html"]


class Tags(HTMLParser):
    """The elements and attributes that a browser would see."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_report_names_no_address_and_loads_nothing(written):
    assert not re.search(r"https?:|[\"'(=\s]//[a-z]", written)
    for tag, attributes in Tags(written).found:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "a"), tag
        assert not {"src", "href", "srcset", "action", "style"} & attributes.keys(), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)


def test_the_policy_of_the_report_allows_only_its_own_scripts(report):
    import base64
    import hashlib

    text = report.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in re.search(r"script-src ([^;]+);", policy)[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    assert set(re.findall(r"sha256-([^']+)'", policy)) == hashes
    assert len(scripts) == 2


def test_names_of_users_never_become_markup(written):
    for text in (NASTY, *CLASSES[:2], "<i>kind</i>"):
        assert text not in written
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in written
    assert written.count("</script>") == 3


def test_the_report_tells_the_whole_story(written, comparison, data):
    run = comparison.runs[comparison.best]
    for words in ("The data, and every choice made about it", "From the loss to the metric", "The methods side by side",
                  "Layer by layer", "How well it does on rows it has not seen", "Verified by a second method",
                  "To run it again", "95% interval", "Python", "JAX", "float64"):  # fmt: skip
        assert words in written, words
    body = written.split("</h1>")[1]
    assert body.index("verdict-line") < body.index("<h2>")  # the verdict comes first
    for sentence in (run.verdict.sentence, comparison.protocol):
        assert sentence.split("<")[0][:40] in written
    for metric in run.metrics.values():
        assert f"{metric.rows} {metric.part}" in written
    for count in (data.train.count, data.validation.count, data.test.count):
        assert f"<td class=number>{count}</td>" in written


def test_the_figures_of_the_report_hold_the_history_once(written, comparison):
    story = json.loads(re.search(r'id="figures">(.*?)</script>', written, re.DOTALL)[1])
    assert set(story["figures"]) == {"chain", "methods", "layers"}
    assert set(story["templates"]) == {"light", "dark"}
    chain = story["figures"]["chain"]
    assert len(chain["dark"]["data"]) == len(chain["data"])
    assert not any({"x", "y", "z"} & set(style) for style in chain["dark"]["data"])
    assert any("line" in style for style in chain["dark"]["data"])


def test_a_single_run_on_plain_arrays_has_a_report(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    run = cy.train.fit("linear", (x, x[:, 0]), key=jax.random.key(0), max_steps=10, record_every=5)
    text = figures.write_report(tmp_path / "r.html", run).read_text(encoding="utf-8")
    assert "Plain arrays were given" in text
    assert "The methods side by side" not in text


def test_a_run_that_broke_off_has_a_report(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    run = cy.train.fit("linear", (x, x[:, 0]), key=jax.random.key(0), method=cy.optimize.SGD(1e6), max_steps=50,
                       record_every=5, throw=False)  # fmt: skip
    assert not run.status.ok
    text = figures.write_report(tmp_path / "r.html", run).read_text(encoding="utf-8")
    assert run.status.message.split(".")[0] in text


def test_a_long_history_is_drawn_in_part_and_keeps_the_page_small(tmp_path, run):
    from cycloid.figures import report as module

    steps = np.arange(1, 20_001)
    history = {name: np.resize(column, (20_000, *column.shape[1:])) for name, column in run.history.items()}
    long = eqx.tree_at(lambda r: r.history, run, {**history, "step": steps}, is_leaf=lambda leaf: leaf is run.history)
    path = figures.write_report(tmp_path / "r.html", long)
    assert path.stat().st_size < 6_000_000
    assert "Of the 20000 recorded steps" in path.read_text(encoding="utf-8")
    thin = module._thinned(long)
    assert (thin.history["step"][0], thin.history["step"][-1]) == (1, 20_000)
    kept = thin.history["step"] - 1
    np.testing.assert_array_equal(thin.history["train_loss"], history["train_loss"][kept])


def test_wrong_calls_of_write_report_are_answered(tmp_path, run):
    with pytest.raises(ValueError, match="at least one run"):
        figures.write_report(tmp_path / "r.html", {})
    with pytest.raises(ValueError, match="'x'"):
        figures.write_report(tmp_path / "r.html", run, best="x")
    with pytest.raises(TypeError, match="Comparison"):
        figures.write_report(tmp_path / "r.html", 3)
    with pytest.raises(TypeError, match="card"):
        figures.write_report(tmp_path / "r.html", run, cards=3)
    assert list(tmp_path.iterdir()) == []


def test_a_saved_page_is_whole_and_draws_by_itself(tmp_path, race):
    fig = cy.figure(race)
    path = tmp_path / "figure.html"
    figures.save(fig, path)
    text = path.read_text(encoding="utf-8")
    assert "Content-Security-Policy" in text
    assert "Plotly.newPlot" in text
    assert len(list(tmp_path.iterdir())) == 1
    figures.save(fig, tmp_path / "figure.json")
    assert json.loads((tmp_path / "figure.json").read_text())["data"]


def test_another_ending_is_refused(tmp_path, race):
    with pytest.raises(ValueError, match=r"\.html, \.png"):
        figures.save(cy.figure(race), tmp_path / "figure.docx")


def test_text_in_a_script_cannot_end_it():
    assert "</script>" not in script_json('{"a": "</script><script>alert(1)</script>"}')
    assert json.loads(script_json('{"a": "</script>"}')) == {"a": "</script>"}


def test_without_a_browser_a_picture_says_what_to_install(monkeypatch, race):
    monkeypatch.setenv("CHROME", "/nowhere/chrome")
    with pytest.raises(RuntimeError, match="Chromium"):
        figures.export(cy.figure(race))


@needs_browser
def test_pictures_are_taken_by_the_browser(tmp_path):
    fig = figures.function("x^2", -1, 1, order=1)
    figures.save(fig, tmp_path / "f.png", width=400, height=300, scale=1)
    png = (tmp_path / "f.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (400, 300)


@pytest.mark.slow
@needs_browser
def test_vectors_are_drawn_too():
    assert figures.export(figures.function("x^2", -1, 1, order=0), "svg").startswith(b"<svg")


@needs_browser
def test_the_report_opens_in_a_browser_without_a_complaint(report, comparison):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    complaints, asked = [], []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(color_scheme="dark")
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        page.wait_for_selector("#layers .main-svg")
        assert page.get_attribute("html", "data-theme") == "dark"
        page.click("#theme")
        assert page.get_attribute("html", "data-theme") == "light"
        ink = page.evaluate("document.getElementById('chain')._fullLayout.font.color")
        losses = page.evaluate("Array.from(document.getElementById('methods')._fullData[0].y)")
        drawn = [page.locator(f"#{name} .main-svg").count() for name in ("chain", "methods", "layers")]
        browser.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith("file:")] == []
    assert ink == "#1b1f2a"
    first = next(iter(comparison.runs.values()))
    np.testing.assert_allclose(losses, first.history["validation_loss"])
    assert all(drawn)
