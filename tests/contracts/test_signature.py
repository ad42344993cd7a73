"""Documented names are the real ones, options go by keyword, and every method of every branch introduces itself."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from cycloid.core.functions import Traceable

# Branches whose public names are held to the contract; one word here and a branch joins.
BRANCHES = ("optimize", "differentiate")
COMMON = ("key", "tol", "method", "max_steps", "mesh", "samples", "steps", "batch_size", "order", "q", "throw")


def public():
    for branch in BRANCHES:
        module = importlib.import_module(f"cycloid.{branch}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isfunction(thing) or inspect.isclass(thing):
                yield pytest.param(thing, id=f"{branch}.{name}")


def methods():
    for branch in BRANCHES:
        module = importlib.import_module(f"cycloid.{branch}")
        for name, cls in getattr(module, "METHODS", {}).items():
            yield pytest.param(name, cls, id=f"{branch}, {name}")


def documented(thing):
    """The names under Args: in a docstring, or None without such a section."""
    text = inspect.getdoc(thing) or ""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    if section is None:
        return None
    lines = re.findall(r"^    (\w+(?:, \w+)*):", section.group(1), re.MULTILINE)  # "lower, upper: the box"
    return [name for line in lines for name in line.split(", ")]


def arguments(thing):
    return [name for name in inspect.signature(thing).parameters if name != "self"]


@pytest.mark.parametrize("thing", list(public()))
def test_documented_arguments_are_the_real_ones(thing):
    assert inspect.getdoc(thing), f"{thing.__name__} has no docstring"
    names = documented(thing)
    if names is not None:
        assert names == arguments(thing)
    elif inspect.isfunction(thing):
        assert len(arguments(thing)) <= 2, f"{thing.__name__} does not document its arguments"


@pytest.mark.parametrize("thing", list(public()))
def test_the_common_words_go_by_keyword(thing):
    if not inspect.isfunction(thing) or thing.__name__ == "method":
        return
    for name, parameter in inspect.signature(thing).parameters.items():
        if name in COMMON:
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, f"{thing.__name__}({name}) is not keyword-only"


@pytest.mark.parametrize(("name", "cls"), list(methods()))
def test_every_method_introduces_itself(name, cls):
    assert cls.name == name == name.lower()
    assert not inspect.isabstract(cls)
    assert re.search(r"\b(18|19|20)\d\d\b", cls.reference), "the reference has no year"
    assert cls.reference.split(",")[0] in (inspect.getdoc(cls) or ""), "the docstring does not cite the reference"
    assert cls.best_for
    assert cls.formula
    assert cls.order >= 0
    assert set(cls.transforms) <= {"jit", "vmap", "grad"}
    assert cls().name == name  # every option has a default
    assert cls() is not None


@pytest.mark.parametrize(("name", "cls"), list(methods()))
def test_every_method_is_a_frozen_final_class(name, cls):
    assert cls.__final__ is True
    with pytest.raises(AttributeError):
        cls().name = "another"


def test_a_traceable_function_shows_the_signature_of_its_own():
    assert str(inspect.signature(Traceable(lambda x, key: x))) == "(x, key)"
