"""A model opened on a batch: findings, alignment, Jacobians, the page, the card, and a run or record reopened."""

from __future__ import annotations

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from click.testing import CliRunner

import cycloid as cy
from cycloid.cli import cycloid
from cycloid.train import faults
from cycloid.train.diagnosis import read
from cycloid.train.evidence import axes_of
from cycloid.train.inspections import alignment

N, D = 48, 5
BY_STEP = {name for name, axes in axes_of().items() if axes[0] == "step"}


@pytest.fixture(scope="module")
def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, D))
    return x, (x[:, 0] + x[:, 1] > 0).astype(int) + (x[:, 2] > 1)


@pytest.fixture(scope="module")
def report(batch) -> cy.train.Report:
    """Two linear layers and a softmax too many."""
    first, second = jax.random.split(jax.random.key(0))
    parts = [eqx.nn.Linear(D, 8, key=first), eqx.nn.Lambda(jax.nn.relu), eqx.nn.Linear(8, 3, key=second)]
    model = eqx.nn.Sequential([*parts, eqx.nn.Lambda(jax.nn.softmax)])
    return cy.train.inspect(model, batch, loss="cross_entropy", max_steps=4)


def test_the_fault_is_named_first_with_evidence_and_cure(report):
    first = report.value[0]
    assert first.fault == "double softmax"
    assert "Remove the softmax" in first.cure
    assert report.exit_code == 2
    assert "double softmax" in str(report)
    assert json.loads(report.to_json())["findings"][0]["fault"] == "double softmax"


def test_the_alignment_table_runs_from_the_inputs_to_the_targets(report):
    rows = alignment(report.evidence)
    assert [row["place"] for row in rows][:2] == ["inputs", "layers.0"]
    assert rows[0]["shape"] == f"{N} x {D}"
    assert rows[1]["shape"] == f"{N} x 8"
    assert rows[-2]["kind"] == "cross entropy expects logits"
    assert 0 < rows[-2]["low"] < rows[-2]["high"] < 1


def test_losses_by_example_and_class_add_up_to_the_loss(report, batch):
    e = report.evidence
    assert np.mean(e.example_losses) == pytest.approx(e.batch_loss, rel=1e-6)
    counts = np.unique(batch[1], return_counts=True)[1]
    assert np.average(list(report.class_losses.values()), weights=counts) == pytest.approx(e.batch_loss, rel=1e-6)
    assert e.example_losses[e.worst_examples[0]] == e.example_losses.max()


def test_the_chain_of_jacobians_is_that_of_the_chain_rule(report, batch):
    model = report.question.function
    x = jnp.asarray(batch[0])
    exact = [jax.jacfwd(model.layers[0])(x[i]) for i in range(2)]
    wanted = np.median([np.linalg.svd(j, compute_uv=False) for j in exact], axis=0)
    np.testing.assert_allclose(report.reaches[0].singular, wanted, rtol=1e-3)
    whole = np.median([np.linalg.svd(jax.jacfwd(model)(x[i]), compute_uv=False)[0] for i in range(2)])
    assert report.reaches[-1].singular[0] == pytest.approx(whole, rel=1e-3)


def test_an_inputs_slope_and_its_shuffling_agree_on_what_matters(report):
    effects = report.effects
    assert len(effects.slopes) == D
    assert np.isfinite(effects.permuted).all()
    # the classes hang on the first three inputs; the untrained model may weigh them as it likes, but feels them all
    assert (effects.slopes > 0).all()


def test_one_page_holds_the_heatmap_first_and_then_the_findings(report, tmp_path):
    from cycloid.figures import write_inspection

    page = write_inspection(tmp_path / "inspection.html", report).read_text()
    assert page.index('id="heat"') < page.index("Double softmax<") < page.index("<h2>Alignment</h2>")
    assert "http://" not in page.split("<script>")[0]
    heat = cy.figure(report).data[0]
    assert len(heat.y) == 4
    assert np.nanmax(np.abs(np.asarray(heat.z, float))) <= 2


def test_the_slope_of_the_card_is_found_again_by_losses(report):
    from cycloid.checks.inspections import _slope_card

    question = report.question
    card = _slope_card(report, question.function, question.arguments["batch"], question.arguments["loss"])
    assert card.verdict == "agrees"
    assert card.value > 0


def test_a_report_is_saved_and_opened_again(report, tmp_path):
    report.save(tmp_path / "report.zip")
    again = cy.train.Report.load(tmp_path / "report.zip")
    assert again.value[0] == report.value[0]
    np.testing.assert_array_equal(again.evidence.loss, report.evidence.loss)


def test_wrong_calls_are_answered_in_words(batch):
    with pytest.raises(TypeError, match=r"pair \(x, y\)"):
        cy.train.inspect(eqx.nn.Linear(2, 1, key=jax.random.key(0)), batch[0])
    with pytest.raises(ValueError, match="one row an example"):
        cy.train.inspect(eqx.nn.Linear(2, 1, key=jax.random.key(0)), (batch[0], batch[1][:3]))
    found = CliRunner().invoke(cycloid, ["inspect", "nothing.npz"])
    assert found.exit_code == 2
    assert "there is no file nothing.npz" in found.output


def test_the_command_opens_a_record_as_page_and_json(report, tmp_path):
    from cycloid.train.recordings import Recording

    e = report.evidence
    record = Recording(tmp_path / "run.npz", **{k: v for k, v in e.known().items() if k not in BY_STEP})
    for i in range(len(e.step)):
        record.add({name: getattr(e, name)[i] for name in BY_STEP if e.has(name)})
    record.close()
    call = ["inspect", str(tmp_path / "run.npz"), "--json", "--report", str(tmp_path / "run.html")]
    found = CliRunner().invoke(cycloid, call)
    assert found.exit_code == 1, found.output
    assert json.loads(found.stdout)["findings"][0]["fault"] == "double softmax"
    assert 'id="heat"' in (tmp_path / "run.html").read_text()


def test_evidence_of_data_finds_leaks_and_lost_labels():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(240, 4))
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    told = np.column_stack([x, y + 0.01 * rng.normal(size=240)])
    seen = cy.train.Evidence()
    leaked = cy.train.diagnose(seen, (x[:200], y[:200], np.concatenate([x[200:], x[:20]]), np.append(y[200:], y[:20])))
    assert [finding.fault for finding in leaked] == ["leaked rows"]
    assert cy.train.diagnose(seen, (told, y))[0].fault == "leaked feature"
    assert cy.train.diagnose(seen, (x, rng.permutation(y)))[0].fault == "shuffled labels"
    wrong = np.where(rng.random(240) < 0.15, 1 - y, y)
    assert cy.train.diagnose(seen, (x, wrong))[0].fault == "label noise"


SLICE = (("learning rate too high", "plain"), ("gradients not cleared", "mild"))


@pytest.mark.parametrize(("fault", "dose"), SLICE)
def test_a_fault_planted_in_a_loop_of_pytorch_is_named_first(fault, dose):
    case = faults.Case(fault, dose, "clusters", "mlp", "torch", seed=5)
    assert [f.fault for f in read(faults.observe(case))][:1] == [fault]


def test_a_healthy_loop_of_pytorch_is_not_accused():
    assert faults.verdict(faults.Case("", "healthy", "clusters", "mlp", "torch", seed=5)).alarms == ()


@pytest.mark.slow
@pytest.mark.parametrize("framework", faults.FRAMEWORKS)
def test_every_fault_planted_plainly_is_named_first(framework):
    wrong = []
    for case in faults.cases(doses=("plain",), each=1, seed=31):
        if case.framework == framework:
            found = faults.verdict(case)
            wrong += [] if found.first == case.fault else [(case, found.first)]
    assert wrong == []


@pytest.mark.slow
def test_the_command_opens_a_model_and_tells_by_its_exit_code(tmp_path):
    (tmp_path / "model.py").write_text(
        "import jax, equinox as eqx\n\n\n"
        "def make_model(inputs, outputs):\n"
        "    a, b = jax.random.split(jax.random.key(0))\n"
        "    last = eqx.nn.Lambda(jax.nn.softmax)\n"
        "    return eqx.nn.Sequential([eqx.nn.Linear(inputs, 8, key=a), eqx.nn.Lambda(jax.nn.relu),\n"
        "                              eqx.nn.Linear(8, outputs, key=b), last])\n"
    )
    page = tmp_path / "inspection.html"
    call = ["inspect", f"{tmp_path / 'model.py'}:make_model", "--data", "iris", "--steps", "5", "--json", "--check"]
    found = CliRunner().invoke(cycloid, [*call, "--report", str(page)])
    assert found.exit_code == 1, found.output
    answer = json.loads(found.stdout)
    assert answer["findings"][0]["fault"] == "double softmax"
    assert answer["check"]["verdict"] == "agrees"
    assert page.exists()
