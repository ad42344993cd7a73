"""The door: other frameworks enter here and nowhere else, each in a module that loads it when it is needed."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

from cycloid.core.laziness import exports

# framework -> (module of ours, the extra that installs it)
FRAMEWORKS = {
    "torch": ("cycloid.adapters.torch", "torch"),
    "tensorflow": ("cycloid.adapters.tensorflow", "tensorflow"),
}

if TYPE_CHECKING:
    from cycloid.adapters.models import Adapted, Layer
    from cycloid.adapters.recognition import adapt, as_arrays

_HOMES = {
    "Adapted": "cycloid.adapters.models",
    "Layer": "cycloid.adapters.models",
    "adapt": "cycloid.adapters.recognition",
    "as_arrays": "cycloid.adapters.recognition",
}
_load, _ = exports(__name__, _HOMES)

__all__ = ["FRAMEWORKS", "Adapted", "Layer", "adapt", "adapter", "as_arrays", "how_to_install", "is_installed"]


def __getattr__(name: str) -> Any:
    return _load(name)


def is_installed(framework: str) -> bool:
    """Whether a framework can be imported; it is not."""
    return importlib.util.find_spec(framework) is not None


def how_to_install(framework: str) -> str:
    """What to type."""
    return f'pip install "cycloid[{FRAMEWORKS[framework][1]}]"'


def adapter(framework: str) -> Any:
    """The module that speaks to a framework; it imports it.

    Raises:
        ImportError: when the framework is not installed; the message says what to type.
    """
    if not is_installed(framework):
        raise ImportError(f"{framework} is not installed: {how_to_install(framework)}.")
    with warnings.catch_warnings():  # what a framework says of its own insides on loading is not the user's doing
        warnings.simplefilter("ignore")
        return importlib.import_module(FRAMEWORKS[framework][0])
