"""`cycloid train` on real tables, on a messy one, and on everything that is no table."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn import datasets

import cycloid as cy
from cycloid.cli import cycloid


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        result = CliRunner().invoke(cycloid, ["train", *[str(word) for word in words]])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def write(frame, path):
    frame.to_csv(path, index=False)
    return path


def messy():
    """Missing cells, categories, a constant, an identifier, duplicated rows."""
    rng = np.random.default_rng(0)
    n = 300
    hours = rng.uniform(0, 10, n)
    school = rng.choice(["north", "south", "west"], n)
    score = 5 * hours + 10 * (school == "north") + rng.normal(0, 4, n)
    frame = pd.DataFrame(
        {
            "student": [f"s{i:04d}" for i in range(n)],
            "hours": np.where(rng.random(n) < 0.1, np.nan, hours),
            "school": np.where(rng.random(n) < 0.05, None, school),
            "year": 2024,
            "score": score,
        }
    )
    return pd.concat([frame, frame.iloc[:3]])


def test_the_help_names_every_loss_and_model(train):
    words = {word.strip(".,") for word in train("--help").output.split()}
    assert {*cy.learn.LOSSES, *cy.train.MODELS} <= words


def test_breast_cancer_from_csv(train, tmp_path):
    frame = datasets.load_breast_cancer(as_frame=True).frame
    frame["diagnosis"] = np.where(frame.pop("target") == 0, "malignant", "benign")
    path = write(frame, tmp_path / "cancer.csv")
    result = train(path, "--target", "diagnosis", "--steps", 300, "--json", "--check", "--require-improvement")
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert data["metrics"]["accuracy"]["value"] > 0.93
    assert data["verdict"]["improved"] == "yes"
    assert data["card"]["verdict"] == "agrees"
    report = (tmp_path / "report.html").read_text()
    assert "diagnosis" in report
    assert len(report) < 6_000_000


def test_a_messy_table(train, tmp_path):
    path = write(messy(), tmp_path / "messy.csv")
    result = train(path, "--target", "score", "--methods", "sgd,adam", "--steps", 200, "--report", "out.html")
    assert result.exit_code == 0
    for word in ("missing", "student", "year", "school", "copies"):
        assert word in result.output, word
    assert "Yes: R²" in result.output
    assert (tmp_path / "out.html").exists()


def test_the_same_seed_gives_the_same_run(train):
    words = ["iris", "--steps", 60, "--report", "-", "--learning-rate", 0.1, "--json"]
    assert train(*words, "--seed", 1).stdout == train(*words, "--seed", 1).stdout


def test_a_saved_run_predicts(train, tmp_path):
    import cycloid as cy

    assert train("iris", "--steps", 60, "--report", "-", "--save", "run.cycloid").exit_code == 0
    run = cy.Result.load(tmp_path / "run.cycloid")
    iris = datasets.load_iris(as_frame=True).frame
    names = datasets.load_iris().target_names
    predicted = run.predict(iris.drop(columns="target"))
    assert np.mean(np.asarray(predicted) == names[iris["target"]]) > 0.85


def test_divergence_exits_with_1_and_a_cure(train):
    result = train("diabetes", "--method", "sgd", "--learning-rate", 50, "--steps", 200, "--report", "-")
    assert result.exit_code == 1
    assert "learning rate" in result.output


FILES = {
    "empty.csv": (b"", "is empty"),
    "header.csv": (b"a,b\n", "no row"),
    "one.csv": (b"a,b\n1,2\n", "row"),
    "nan.csv": (b"a,b\n1,\n2,\n3,\n", "target"),
    "same.csv": (b"a,b\n" + b"1,x\n2,x\n" * 20, "one"),
    "binary.csv": (bytes(range(256)) * 4, "binary file"),
    "ragged.csv": (b"a,b\n1,2\n3,4,5,6\n", "line 3"),
    "twice.csv": (b"a,a,b\n1,2,3\n4,5,6\n", "twice"),
    "wide.csv": (b",".join(b"c%d" % i for i in range(1_000_000)) + b"\n", "columns"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_answered_with_a_sentence(train, tmp_path, name):
    content, word = FILES[name]
    (tmp_path / name).write_bytes(content)
    result = train(name, "--target", "b")
    assert result.exit_code == 2, result.output
    assert word in result.stderr
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing half-written is left"


def test_text_in_a_number_column_names_the_place(train, tmp_path):
    lines = ["a,b", *(f"{i},{i * 2}" for i in range(50)), "oops,3"]
    (tmp_path / "text.csv").write_text("\n".join(lines))
    result = train("text.csv", "--target", "b")
    assert result.exit_code == 2
    for word in ("a", "oops", "52"):
        assert word in result.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["diabets"], "diabetes"),
        (["iris", "--target", "speces"], "Did you mean 'species'?"),
        (["iris", "--methods", "adam,sdg"], "Did you mean 'sgd'?"),
        (["iris", "--methods", "adam,sgd", "--checkpoint", "c"], "name a single method"),
        (["iris", "--report", "nowhere/report.html"], "there is no folder nowhere"),
        (["iris", "--model", "linear"], "softmax"),
        (["iris", "--model", "mlp", "--hidden", "64,x"], "--hidden lists widths"),
        (["."], "directory"),
    ],
)
def test_a_wrong_call_exits_with_2(train, words, sentence):
    result = train(*words)
    assert result.exit_code == 2
    assert sentence in result.stderr
