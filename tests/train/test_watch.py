"""A PyTorch loop that is watched: the chain it tells, that it is left alone, and what is found wrong with it."""

from __future__ import annotations

import copy
import gc
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import cycloid as cy
from cycloid.train import recordings

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn

GENERATOR = np.random.default_rng(0)
X = torch.tensor(GENERATOR.normal(size=(256, 8)), dtype=torch.float32)
Y = 2 * X[:, 0] - X[:, 1] + 0.5 * X[:, 2] ** 2
LABELS = (Y > 0).long()


@pytest.fixture(autouse=True)
def one_thread():
    """Tests run side by side: more threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def net(outputs=2, *last, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, outputs), *last)


def train(model, loss, targets=LABELS, *, optimizer=None, x=X, steps=40, clear=True, **options):
    """A loop as people write it, watched."""
    optimizer = optimizer or torch.optim.Adam(model.parameters(), 3e-3)
    watch = cy.train.watch(model, optimizer, **options)
    chance = np.random.default_rng(1)
    for _ in range(steps):
        rows = torch.tensor(chance.integers(0, len(x), 64))
        if clear:
            optimizer.zero_grad()
        loss(model(x[rows]), targets[rows]).backward()
        optimizer.step()
    return watch


def test_a_watched_loop_and_its_report_load_no_jax(tmp_path):
    program = """
        import sys, torch, cycloid as cy
        torch.set_num_threads(1)
        model = torch.nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        watch = cy.train.watch(model, optimizer, record=sys.argv[1])
        for _ in range(5):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(torch.ones(4, 3)), torch.zeros(4, 1)).backward()
            optimizer.step()
        watch.report()
        cy.train.recordings.open(sys.argv[1])
        heavy = {"jax", "plotly", "pandas", "sklearn"} & set(sys.modules)
        assert not heavy, heavy
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "run")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Verdict:" in done.stdout


def test_the_chain_of_a_step_is_what_it_is_by_hand():
    torch.manual_seed(0)
    model = nn.Linear(8, 1).double()
    x, y = X.double(), Y.double()[:, None]
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    watch = cy.train.watch(model, optimizer)
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    optimizer.step()
    row = watch.recording.rows[0]
    total = sum(float((g**2).sum()) for g in gradients)
    with torch.no_grad():
        after = float(nn.functional.mse_loss(model(x), y))
    assert row["loss"] == pytest.approx(float(loss.detach()))
    assert row["gradient_norm"] == pytest.approx(total**0.5)
    assert row["predicted_change"] == pytest.approx(-0.05 * total)
    assert row["actual_change"] == pytest.approx(after - float(loss.detach()))
    assert row["cosine"] == pytest.approx(1.0)
    assert row["gradient_norms"] == pytest.approx([float(g.norm()) for g in gradients])
    assert row["update_norms"] == pytest.approx([0.05 * float(g.norm()) for g in gradients])
    variance = float(y.var(correction=0))
    assert row["metric"] == pytest.approx(1 - after / variance)
    # Along a straight line the mean square is a parabola, so its minimum is found exactly.
    steps = np.linspace(0, 40, 4001)
    start = [p.detach() + 0.05 * g for p, g in zip(model.parameters(), gradients)]
    weight, bias = ([s - t * 0.05 * g for t in steps] for s, g in zip(start, gradients))
    losses = [float(((x @ w.T + b - y) ** 2).mean()) for w, b in zip(weight[::20], bias[::20])]
    assert row["line_minimum"] == pytest.approx(steps[::20][int(np.argmin(losses))], abs=0.2)


def ways():
    """Loops that reach the same update by other ways; and by what the gradient was multiplied before the step."""
    return {
        "plain": lambda model, optimizer, x, y: backward(model, optimizer, x, y),
        "accumulated": accumulated,
        "clipped": clipped,
        "scaled": scaled,
        "by hand": by_hand,
        "closure": lambda model, optimizer, x, y: optimizer.step(lambda: backward(model, optimizer, x, y, step=False)),
        "in parts": in_parts,
    }


def backward(model, optimizer, x, y, step=True):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    if step:
        optimizer.step()
    return loss


def accumulated(model, optimizer, x, y):
    optimizer.zero_grad()
    for part in range(4):
        (nn.functional.cross_entropy(model(x[part::4]), y[part::4]) / 4).backward()
    optimizer.step()


def clipped(model, optimizer, x, y):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.01)
    optimizer.step()


def scaled(model, optimizer, x, y):
    scaler = torch.amp.GradScaler("cpu")
    optimizer.zero_grad()
    scaler.scale(nn.functional.cross_entropy(model(x), y)).backward()
    scaler.step(optimizer)
    scaler.update()


def by_hand(model, optimizer, x, y):
    optimizer.zero_grad(set_to_none=False)
    logits = model(x)
    loss = (torch.logsumexp(logits, 1) - logits.gather(1, y[:, None])[:, 0]).mean()
    loss.backward()
    optimizer.step()


def in_parts(model, optimizer, x, y):
    optimizer.zero_grad()
    hidden = x
    for layer in model:
        hidden = layer(hidden)
    nn.functional.cross_entropy(hidden, y).backward()
    optimizer.step()


@pytest.mark.parametrize("name", ways())
def test_every_kind_of_loop_tells_the_same_chain(name):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    watch = cy.train.watch(model, optimizer)
    reference = net()
    loss = nn.functional.cross_entropy(reference(X), LABELS)
    norm = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(reference.parameters()))]).norm()
    ways()[name](model, optimizer, X, LABELS)
    row = watch.recording.rows[0]
    clip = min(1.0, 0.01 / float(norm)) if name == "clipped" else 1.0
    assert row["loss"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert row["gradient_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert row["clip"] == pytest.approx(clip, rel=1e-3)
    assert row["predicted_change"] == pytest.approx(-0.1 * clip * float(norm) ** 2, rel=1e-3)
    assert row["actual_change"] == pytest.approx(row["predicted_change"], rel=0.05)
    assert not watch.recording.facts.get("notes")


def test_lbfgs_and_two_optimizers_are_followed():
    model = net()
    watch = cy.train.watch(model, lbfgs := torch.optim.LBFGS(model.parameters(), 0.5, max_iter=4))
    lbfgs.step(lambda: backward(model, lbfgs, X, LABELS, step=False))
    row = watch.recording.rows[0]
    assert row["actual_change"] < 0
    assert row["predicted_change"] < 0
    watch.close()
    pair = [torch.optim.SGD(model[:2].parameters(), 0.1), torch.optim.Adam(model[2:].parameters(), 1e-3)]
    watch = cy.train.watch(model, pair)
    for _ in range(3):
        model.zero_grad()
        nn.functional.cross_entropy(model(X), LABELS).backward()
        for optimizer in pair:
            optimizer.step()
    assert [row["step"] for row in watch.recording.rows] == [0, 1, 2]
    assert all((row["update_norms"] > 0).all() for row in watch.recording.rows)


def test_the_loop_is_left_as_it_is():
    """Weights, running means and random numbers are the same to the last bit, watched or not."""

    def run(watched):
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(inplace=True), nn.Dropout(0.3))
        model.append(nn.Linear(16, 2))
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        watch = cy.train.watch(model, optimizer, every=3) if watched else None
        for _ in range(12):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[torch.randint(0, 256, (32,))]), LABELS[:32]).backward()
            optimizer.step()
        if watch is not None:
            actual = np.array([row["actual_change"] for row in watch.recording.rows])
            assert np.isfinite(actual).all()
            watch.close()
        return model.state_dict(), torch.rand(3)

    (bare, after), (seen, then) = run(False), run(True)
    assert all(torch.equal(bare[name], seen[name]) for name in bare)
    assert torch.equal(after, then)


def test_nothing_is_left_behind():
    gc.collect()  # watches that other tests have dropped
    original, model = torch.autograd.backward, net()
    assert original.__module__ == "torch.autograd"
    watch = train(model, nn.CrossEntropyLoss(), steps=2, every=10)
    inner = [module for module in model.modules() if module is not model]
    assert torch.autograd.backward is not original  # step 2 is recorded, and waited for
    watch.close()
    assert torch.autograd.backward is original
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in [model, *inner])
    watch = train(model, nn.CrossEntropyLoss(), steps=6, every=10)
    assert torch.autograd.backward is original  # step 6 is not
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in inner)
    watch.close()


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)).detach())


def dead():
    model = net()
    with torch.no_grad():
        model[0].bias -= 20
    return model


def still():
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2)).eval()


def faults():
    """A loop with one mistake, by the name of the mistake."""
    cross = nn.CrossEntropyLoss()
    sgd = lambda model, rate: torch.optim.SGD(model.parameters(), rate)
    return {
        "double softmax": lambda: train(net(2, nn.Softmax(1)), cross),
        "softmax over the wrong axis": lambda: train(net(2, nn.Softmax(0)), cross),
        "parameter missing from the optimizer": lambda: train(
            model := net(), cross, optimizer=torch.optim.Adam(model[4].parameters(), 3e-3)
        ),
        "gradients not cleared": lambda: train(model := net(), cross, optimizer=sgd(model, 0.03), clear=False),
        "raw inputs": lambda: train(net(), cross, x=100 * X + 50),
        "learning rate too high": lambda: train(
            model := net(), cross, optimizer=torch.optim.Adam(model.parameters(), 1.0)
        ),
        "learning rate too low": lambda: train(model := net(), cross, optimizer=sgd(model, 1e-6)),
        "dead units": lambda: train(dead(), cross),
        "detached layer": lambda: train(Detached(), cross),
        "batch norm in the wrong mode": lambda: train(still(), cross),
        "wrong sign of the loss": lambda: train(model := net(), lambda p, y: -cross(p, y), optimizer=sgd(model, 0.01)),
    }


@pytest.mark.parametrize("fault", faults())
def test_a_mistake_is_named_first(fault):
    watch = faults()[fault]()
    report = watch.report(quiet=True)
    watch.close()
    assert report.findings, report.evidence.notes
    assert report.findings[0].fault == fault
    assert report.findings[0].cure
    assert fault in str(report)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("loss", [nn.MSELoss(), lambda p, y: ((p - y) ** 2).mean()], ids=["mse", "by hand"])
def test_predictions_broadcast_against_targets_are_seen(loss):
    report = train(net(1), loss, 3 * Y).report(quiet=True)
    assert report.findings[0].fault == "targets broadcast against predictions"
    assert "(64, 64)" in report.findings[0].evidence


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_a_healthy_loop_has_no_findings(kind):
    if kind == "classes":
        report = train(net(), nn.CrossEntropyLoss(), steps=60).report(quiet=True)
    else:
        report = train(net(1), lambda p, y: nn.functional.mse_loss(p[:, 0], y), Y, steps=60).report(quiet=True)
    assert report.findings == ()
    assert report.exit_code == 0
    assert "Nothing wrong was found in" in report.verdict


class Log(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(8, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.head(torch.log(torch.relu(self.first(x))))


@pytest.mark.parametrize(
    ("model", "loss", "place", "words"),
    [
        (Log, lambda p, y: ((p[:, 0] - y) ** 2).mean(), "forward", "log of 0"),
        (lambda: nn.Linear(8, 1), lambda p, y: torch.log(p - 100).mean(), "loss", "log of -10"),
        (lambda: nn.Linear(8, 1), lambda p, y: (p - p.detach()).abs().sqrt().sum(), "gradient", "derivative of sqrt"),
    ],
    ids=["model", "loss", "backward"],
)
def test_where_a_nan_came_from(model, loss, place, words):
    torch.manual_seed(0)
    evidence = train(model(), loss, Y, steps=3).evidence()
    assert evidence.first_nonfinite_place == place
    assert words in evidence.first_nonfinite
    assert evidence.first_nonfinite_step == 0


def test_a_nan_between_two_records_is_traced_to_its_step_and_batch():
    model = net(1)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    watch = cy.train.watch(model, optimizer, every=100)
    for step in range(60):
        x = X[:16].clone()
        if step == 37:
            x[3, 2] = float("nan")
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x)[:, 0], Y[:16]).backward()
        optimizer.step()
    report = watch.report(quiet=True)
    assert report.evidence.first_nonfinite_step == 37
    assert report.evidence.first_nonfinite_place == "inputs"
    assert report.findings[0].fault == "not a number"


def test_a_model_with_chance_of_its_own_is_told_and_not_replayed():
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(x) + float(GENERATOR.normal())

    watch = train(Noisy(8, 1), lambda p, y: ((p[:, 0] - y) ** 2).mean(), Y, steps=3)
    assert all(np.isnan(row["actual_change"]) for row in watch.recording.rows)
    assert "chance or memory of its own" in watch.evidence().notes[0]


def test_tied_weights_are_one_parameter_and_compiled_losses_do_not_matter():
    embedding = nn.Embedding(20, 8)
    head = nn.Linear(8, 20, bias=False)
    head.weight = embedding.weight
    model = nn.Sequential(embedding, head)
    tokens = torch.arange(20)
    watch = train(model, nn.CrossEntropyLoss(), tokens, x=tokens, steps=3)
    evidence = watch.evidence()
    assert evidence.parameters == ("0.weight",)
    assert evidence.parameter_kinds == ("embedding",)
    assert np.isfinite(evidence.actual_change).all()


def test_numbers_of_ones_own_are_kept(tmp_path):
    watch = train(net(), nn.CrossEntropyLoss(), steps=10, record=tmp_path / "run")
    for epoch in range(3):
        watch.log(validation_loss=1.0 / (1 + epoch), temperature=300.0)
    watch.close()
    evidence = recordings.open(tmp_path / "run.npz")
    assert evidence.validation_loss == pytest.approx([1, 1 / 2, 1 / 3])
    assert recordings.read(tmp_path).rows[-1]["temperature"] == 300.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((copy.copy, None), "torch.nn.Module"),
        ((nn.Linear(1, 1), nn.Linear(1, 1)), "torch.optim.Optimizer"),
        ((nn.Linear(1, 1), []), "needs an optimizer"),
    ],
)
def test_a_wrong_call_says_what_was_expected(arguments, words):
    with pytest.raises((TypeError, ValueError), match=words):
        cy.train.watch(*arguments)


def test_sparse_gradients_and_models_of_two_precisions_are_read():
    model = nn.Sequential(nn.Embedding(20, 8, sparse=True), nn.Linear(8, 20))
    watch = train(model, nn.CrossEntropyLoss(), torch.arange(20), x=torch.arange(20), steps=3,
                  optimizer=torch.optim.SGD(model.parameters(), 0.1))  # fmt: skip
    assert np.isfinite(watch.recording.rows[-1]["actual_change"])

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(8, 4), nn.Linear(4, 2).double()

        def forward(self, x):
            return self.second(torch.relu(self.first(x)).double())

    watch = train(Mixed(), nn.CrossEntropyLoss(), steps=3)
    assert watch.recording.rows[-1]["ratio"] == pytest.approx(1, abs=0.3)


def test_a_watch_that_takes_too_long_leaves_out_what_is_dear():
    from cycloid.train import watch_loops

    watch = train(net(), nn.CrossEntropyLoss(), steps=100)
    watch._observer._own = 1e6  # seconds, as if every record had been slow
    rows = torch.arange(64)
    optimizer = watch._observer.optimizers[0]
    for _ in range(21):
        backward(watch._observer.model, optimizer, X[rows], LABELS[rows])
    report = watch.report(quiet=True)
    assert np.isfinite(report.evidence.actual_change[:-3]).all()
    assert np.isnan(report.evidence.actual_change[-3:]).all()
    assert np.isfinite(report.evidence.predicted_change).all()
    assert any(note.startswith(watch_loops.FRUGAL) and "3 of" in note for note in report.evidence.notes)
