"""Exact algebra in its own process: right answers, bounded time and memory, and nothing left behind."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time

import jax
import pytest

from cycloid.core import algebra, algebra_worker
from cycloid.core.algebra import (
    AlgebraError,
    AlgebraTimeout,
    antiderivative,
    derivative,
    expanded,
    integral,
    simplified,
    stationary_points,
)
from cycloid.core.formulas import Formula, formula
from cycloid.core.interchange import to_data

HARD = "exp(sin(x^3+x))*log(x+sin x)^3*sqrt(x+tan(x))"


@pytest.mark.parametrize(
    ("text", "variable", "order", "expected"),
    [
        ("x^3 + 2x + 1", None, 1, "f'(x) = 3*x**2 + 2"),
        ("x^3 + 2x + 1", "x", 2, "f''(x) = 6*x"),
        ("x^3 + 2x + 1", "x", 4, "f^(4)(x) = 0"),
        ("h(x, y) = x^2 y + sin(y)", "y", 1, "dh/dy(x, y) = x**2 + cos(y)"),
        ("h(x, y) = x^2 y", "x", 2, "d^2h/dx^2(x, y) = 2*y"),
        ("|x|", None, 1, "f'(x) = sign(x)"),
        ("mod(x, 2) + floor x", None, 1, "f'(x) = 1"),
        ("relu(x)", None, 1, "f'(x) = heaviside(x)"),
        ("gamma(x)", None, 1, "f'(x) = gamma(x)*digamma(x)"),
        ("where(x > 0, x^2, 0)", None, 1, "f'(x) = where(x > 0, 2*x, 0)"),
        ("0.1x", None, 1, "f'(x) = 1/10"),
    ],
)
def test_derivatives(text: str, variable: str | None, order: int, expected: str) -> None:
    f = derivative(text, variable, order)
    assert str(f) == expected
    assert isinstance(f, Formula)


@pytest.mark.parametrize(
    "text", ["sin(x) exp(-x²)/x", "x^x", "√(1+x⁴) log x", "tanh(x)^3 - atan2(x, 2)", "erf(x)/(1+x²)"]
)
def test_derivatives_of_any_order_agree_with_jax(text: str) -> None:
    f = g = formula(text)
    for order in (1, 2, 3):
        g = jax.grad(g)
        assert float(derivative(f, order=order)(1.3)) == pytest.approx(float(g(1.3)), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x exp(-x)", "(-x - 1)*exp(-x)"),
        ("1/x", "log(abs(x))"),
        ("log x", "x*log(x) - x"),
        ("exp(-x²)", "sqrt(pi)*erf(x)/2"),
        ("|x|", "where(x <= 0, -x**2/2, x**2/2)"),
        ("tan x", "-log(abs(cos(x)))"),
        ("f(x) = 3", "3*x"),
    ],
)
def test_antiderivatives(text: str, expected: str) -> None:
    found = antiderivative(text)
    assert (found.name, found.canonical) == ("F", expected)


def test_an_antiderivative_by_one_of_several_variables() -> None:
    assert str(antiderivative("g(x, y) = x y^2", "y")) == "∫g(x, y) = x*y**3/3"


@pytest.mark.parametrize("text", ["x^x", "sin(x)/x"])
def test_what_has_no_elementary_antiderivative_is_said(text: str) -> None:
    with pytest.raises(AlgebraError, match=r"No antiderivative made of known|formulas have no word for"):
        antiderivative(text)


def test_a_wrong_antiderivative_is_not_passed_on(monkeypatch) -> None:
    monkeypatch.setattr(algebra, "_ask", lambda *args, **named: to_data(formula("x^2").tree))
    with pytest.raises(AlgebraError, match="does not differentiate back"):
        antiderivative("x^2")


def test_definite_integrals() -> None:
    assert integral("exp(-x²)", -math.inf, math.inf).canonical == "sqrt(pi)"
    assert integral("x²", 0, 1).canonical == "1/3"
    assert integral("sin x", 0, "π")() == 2.0
    area = integral("x² y", 0, formula("a"), "x")
    assert (area.variables, area.canonical) == (("y", "a"), "a**3*y/3")
    with pytest.raises(ValueError, match="not a number"):
        integral("x", math.nan, 1)


def test_stationary_points() -> None:
    (point,) = stationary_points("(1-x)^2 + 100(y-x^2)^2")
    assert {name: float(value()) for name, value in point.items()} == {"x": 1.0, "y": 1.0}
    assert [point["x"].canonical for point in stationary_points("x^3 - 3x")] == ["-1", "1"]
    assert len(stationary_points("x^5 - x^3 + x^2 - x")) == 2  # of four, two are complex
    assert stationary_points("exp(x)") == []
    with pytest.raises(AlgebraError, match="not isolated"):
        stationary_points("x^2 y")


def test_other_forms() -> None:
    assert simplified("sin(x)^2 + cos(x)^2").canonical == "1"
    assert expanded("(x+1)^3").canonical == "x**3 + 3*x**2 + 3*x + 1"


def test_wrong_questions() -> None:
    with pytest.raises(ValueError, match="Say which variable"):
        derivative("x y")
    with pytest.raises(ValueError, match="has no variable 'z'"):
        derivative("x y", "z")
    for order in (0, 13, 1.0, True):
        with pytest.raises(ValueError, match="order is a whole number"):
            derivative("x", order=order)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time limit"):
        derivative("x", seconds=0)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def exists(pid: int) -> bool:
    """Whether a process runs or is a zombie."""
    return os.path.exists(f"/proc/{pid}")


linux = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="reads the process table of Linux in /proc")


@linux
def test_a_hard_question_is_ended_and_the_next_is_answered() -> None:
    derivative("x")
    assert algebra._worker is not None
    process = algebra._worker.process.pid
    with pytest.raises(AlgebraTimeout, match=r"longer than 0.3 s and was ended") as caught:
        antiderivative(HARD, seconds=0.3)
    assert isinstance(caught.value, TimeoutError)
    assert not exists(process)
    assert derivative("x^2").canonical == "2*x"


@linux
def test_a_question_that_needs_much_memory_is_refused(monkeypatch) -> None:
    algebra.close()
    monkeypatch.setattr(algebra, "MEMORY", 120 * 2**20)
    with pytest.raises(AlgebraError, match="memory"):
        expanded("(a+b+c+d+g+h+i+j+k+l+m+n)^40", seconds=60)
    algebra.close()


@linux
def test_a_process_that_dies_is_replaced() -> None:
    derivative("x")
    assert algebra._worker is not None
    os.kill(algebra._worker.process.pid, signal.SIGKILL)
    algebra._worker.process.wait()
    assert derivative("x^2").canonical == "2*x"


@linux
def test_a_worker_ends_with_its_parent_and_in_the_middle_of_a_question() -> None:
    program = f"""
import threading, time, sys
from cycloid.core import algebra
algebra.derivative("x")
print(algebra._worker.process.pid, flush=True)
threading.Thread(target=lambda: algebra.antiderivative({HARD!r}, seconds=1.0), daemon=True).start()
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=_env()) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()
    for _ in range(400):  # its alarm rings within two seconds
        if not alive(worker):
            return
        time.sleep(0.05)
    pytest.fail("the worker outlived its parent")


def _env() -> dict[str, str]:
    source = os.path.dirname(os.path.dirname(os.path.dirname(algebra.__file__)))
    return {**os.environ, "PYTHONPATH": source}


def test_a_program_ends_without_warnings_and_leaves_no_process() -> None:
    program = """
import sys, jax, jax.numpy as jnp
jnp.ones(3).sum().block_until_ready()  # JAX's threads are running: a fork would warn
from cycloid.core import algebra
print(algebra._worker, algebra.derivative("x^2").canonical, algebra._worker.process.pid)
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        env=_env(),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, answer, pid = done.stdout.split()
    assert (before, answer) == ("None", "2*x")
    assert not os.path.exists(f"/proc/{pid}")


def test_questions_from_many_threads_get_their_own_answers() -> None:
    found: dict[int, str] = {}

    def ask(n: int) -> None:
        found[n] = derivative(f"x^{n}").canonical

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"{n}*x**{n - 1}" for n in range(3, 11)}


def test_a_module_in_the_working_folder_is_not_taken_for_sympy(tmp_path) -> None:
    (tmp_path / "sympy.py").write_text("raise SystemExit('this is another sympy')")
    program = "from cycloid.core.algebra import derivative; print(derivative('x^2').canonical)"
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=_env(), cwd=tmp_path, check=False)
    assert (done.stdout, done.stderr) == ("2*x\n", "")


def test_a_missing_interpreter_is_said(monkeypatch) -> None:
    algebra.close()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(AlgebraError, match="could not be started"):
        derivative("x")


@linux
def test_a_fork_starts_its_own_worker() -> None:
    program = """
import os, sys
from cycloid.core import algebra
algebra.derivative("x")
first = algebra._worker.process.pid
child = os.fork()
answer = algebra.derivative("x^2").canonical
assert answer == "2*x", answer
assert (algebra._worker.process.pid != first) == (child == 0)
if child:
    assert os.waitpid(child, 0)[1] == 0
    assert algebra.derivative("x^3").canonical == "3*x**2"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=_env(), check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        '{"task": "system"}',
        '{"task": "__import__"}',
        '{"task": "derivative"}',
        '{"task": "simplified", "tree": "__import__(\'os\')"}',
        '{"task": "simplified", "tree": ["pow", 9, ["pow", 9, ["pow", 9, 9]]]}',
        '{"task": "simplified", "tree": ["factorial", 10000000]}',
        '{"task": "simplified", "tree": ["pow", ["pow", ["pow", "x", 1000], 1000], 1000]}',
        '{"task": "simplified", "tree": ["sqrt", ["neg", 1]]}',
        "[]",
    ],
)
def test_the_worker_answers_bad_requests_with_a_sentence(line: str) -> None:
    found = algebra_worker.answer(line)
    assert list(found) == ["error"]
    assert len(found["error"]) > 10
    json.dumps(found)


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), ZeroDivisionError("x" * 1000)])
def test_the_worker_lives_on_after_any_failure(monkeypatch, error: Exception) -> None:
    def fail(request: object) -> None:
        raise error

    monkeypatch.setitem(algebra_worker.TASKS, "simplified", fail)
    sentence = algebra_worker.answer('{"task": "simplified"}')["error"]
    assert 10 < len(sentence) < 100
