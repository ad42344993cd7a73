"""The command line: answers, JSON, exit codes, and errors as sentences."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cycloid.cli import COMMANDS, cycloid, main


@pytest.fixture
def call():
    def run(*words):
        result = CliRunner().invoke(cycloid, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def in_a_new_process(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["nonsense"]])
def test_help_loads_nothing_heavy(words):
    program = (
        f"import sys; sys.argv = ['cycloid', *{words!r}]\n"
        "from cycloid.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'sympy', 'plotly', 'rich', 'pandas', 'scipy', 'sklearn', 'starlette'}\n"
        "sys.stderr.write('LOADED ' + ','.join(sorted(heavy & set(sys.modules))))"
    )
    done = in_a_new_process(program)
    assert done.stderr.endswith("LOADED "), done.stderr


def test_importing_cycloid_loads_nothing_heavy():
    done = in_a_new_process(
        "import cycloid, sys; print(sorted({'jax', 'numpy', 'sympy', 'plotly'} & set(sys.modules)))"
    )
    assert done.stdout.strip() == "[]"


def test_every_command_has_help(call):
    for name in COMMANDS:
        result = call(name, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output


def test_the_derivative_of_the_tutorial_is_14(call):
    result = call("derivative", "x^3+2x+1", "--at", "x=2", "--order", 1)
    assert result.exit_code == 0
    assert "14" in result.output
    data = json.loads(call("derivative", "x^3+2x+1", "--at", "x=2", "--json", "--check").output)
    assert data["value"] == 14.0
    assert data["card"]["verdict"] == "agrees"


def test_a_partial_derivative_by_name(call):
    data = json.loads(call("derivative", "sin(x*y)", "--at", "x=1,y=pi/2", "--wrt", "y", "--order", 2, "--json").output)
    assert data["value"] == pytest.approx(-1.0)
    assert data["variable"] == "y"


def test_gradient_and_hessian(call):
    result = call("gradient", "(1-x)^2+100*(y-x^2)^2", "--at", "x=-1.2,y=1", "--hessian", "--check", "--json")
    data = json.loads(result.output)
    assert data["gradient"] == pytest.approx({"x": -215.6, "y": -88.0})
    assert data["hessian"] == [pytest.approx([1330.0, 480.0]), pytest.approx([480.0, 200.0])]
    assert data["card"]["verdict"] == "agrees"


def test_gradient_drawn(call, tmp_path):
    page = tmp_path / "slopes.html"
    result = call("gradient", "x*y*z", "--at", "x=1,y=2,z=3", "--figure", page)
    assert result.exit_code == 0
    assert "plotly" in page.read_text(encoding="utf-8").lower()


def test_minimize_by_one_method(call):
    result = call("minimize", "(x-1)^2 + (y+2)^2", "--from", "x=0,y=0", "--method", "gradient-descent",
                  "--learning-rate", 0.25, "--json", "--check")  # fmt: skip
    data = json.loads(result.output)
    assert result.exit_code == 0
    assert data["value"] == pytest.approx({"x": 1.0, "y": -2.0}, abs=1e-5)
    assert data["status"] == "converged"


def test_a_run_that_does_not_converge_exits_with_1_and_says_why(call):
    result = call("minimize", "x^2", "--from", "x=1", "--method", "gradient-descent", "--learning-rate", 1.5)
    assert result.exit_code == 1
    assert "learning rate" in result.output


def test_a_race_has_a_row_for_each_method(call):
    words = ["minimize", "x^2+10y^2", "--from", "x=1,y=1", "--methods", "sgd,momentum", "--evaluations", 100]
    data = json.loads(call(*words, "--json").output)
    assert sorted(data["value"]["method"]) == ["momentum", "sgd"]
    shown = call(*words)
    assert shown.exit_code == 0
    assert "momentum" in shown.output


def test_the_same_seed_gives_the_same_race(call):
    words = ["minimize", "x^2+10y^2", "--from", "x=1,y=1", "--methods", "sgd,adam", "--evaluations", 50, "--json"]
    assert call(*words, "--seed", 3).output == call(*words, "--seed", 3).output
    assert call(*words, "--seed", 3).output != call(*words, "--seed", 4).output


def test_claims(call):
    findings = json.loads(call("claims", "cubic", "gradient-share", "--json").output)
    assert [(f["name"], f["verdict"]) for f in findings] == [
        ("derivative-of-a-cubic", "true"),
        ("gradient-share", "cannot be checked here"),
    ]
    assert findings[0]["value"] == 14.0
    listed = json.loads(call("claims", "--list", "--json").output)
    assert len(listed) >= 15
    assert "sentence" not in listed[0]


WRONG = [
    (["derivative", "sine(x)", "--at", "x=1"], "did you mean sin?"),
    (["derivative", "x*y", "--at", "x=1"], 'write --at "x=1,y=1"'),
    (["derivative", "x*y", "--at", "x=1,y=1"], "choose one by --wrt x"),
    (["derivative", "x", "--at", "x"], "--at reads names and values"),
    (["derivative", "x", "--at", "x=1,x=2"], "gives x twice"),
    (["derivative", "x", "--at", "x=y"], "the value of x is a number"),
    (["derivative", "x", "--at", "x=1", "--wrt", "y"], "has the variables x"),
    (["minimize", "x^2", "--from", "y=1"], "has the variables x; the point has y"),
    (["minimize", "x^2", "--from", "x=1", "--method", "adma"], "Did you mean 'adam'?"),
    (["minimize", "x^2", "--from", "x=1", "--methods", ","], "--methods names at least one"),
    (["claims", "nonsense"], "no claim has 'nonsense'"),
    (["derivative", "__import__('os').system('true')", "--at", "x=1"], "column"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else None)
def test_a_wrong_call_exits_with_2_and_a_sentence(call, words, sentence):
    result = call(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.output
    as_json = call(*words, "--json")
    assert as_json.exit_code == 2
    assert sentence in json.loads(as_json.stdout)["error"]


def test_a_misspelt_command_is_guessed(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cycloid", "derivativ"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "Did you mean derivative?" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error():
    program = "from cycloid.cli import main; import sys; sys.argv = ['cycloid', 'claims', '--list']; main()"
    done = subprocess.run(f'{sys.executable} -c "{program}" | head -1', shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
