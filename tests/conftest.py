"""Settings every test shares: float64, a compile cache, deterministic hypothesis, warnings as errors."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

# One thread an XLA program: with xdist, programs that each want every core slow each other down. Most programs run once
# and on small arrays, so that compiling takes longer than running: XLA is asked for plain code, made in a third of the
# time. The slow tests run what users run.
PLAIN = (
    "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1"
)
os.environ.setdefault("XLA_FLAGS", PLAIN)
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# In the environment, so that processes that tests start share the cache: a program is compiled once, by one of them.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

from jaxtyping import install_import_hook

# Shape annotations are checked while the tests run.
install_import_hook("cycloid", "shape_checks.check_shapes")

import jax
import pytest
from hypothesis import HealthCheck, settings

jax.config.update("jax_enable_x64", True)

settings.register_profile(
    "cycloid",
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("cycloid"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "cycloid"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file, and contracts of one case, go to one worker, which makes once what they share."""
    for item in items:
        given = getattr(getattr(item, "callspec", None), "params", {})
        case = next((value.name for value in given.values() if hasattr(value, "name")), None)
        folder = item.path.parent.name
        group = case if case is not None and folder == "contracts" else str(item.path)
        group = folder if folder in ("checks", "figures", "lab") else group  # they share runs, or a browser
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """What was imported stays: the collector of garbage need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def let_go_of_programs() -> Iterator[None]:
    """After a file of tests its programs are let go.

    Those of thousands of tests would hold gigabytes, through which each collection of garbage walks, and use up the
    memory maps that Linux gives a process (65 530 by default), when XLA ends with a segmentation fault.
    """
    yield
    jax.clear_caches()
