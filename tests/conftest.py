"""Settings every test shares: float64, a compile cache, deterministic hypothesis, warnings as errors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# One thread an XLA program: with xdist, programs that each want every core slow each other down.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from jaxtyping import install_import_hook

# Shape annotations are checked while the tests run.
install_import_hook("cycloid", "shape_checks.check_shapes")

import jax
import pytest
from hypothesis import HealthCheck, settings

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".cache" / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)

settings.register_profile(
    "cycloid",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", parent=settings.get_profile("cycloid"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "cycloid"))

# Programs compiled for thousands of tests would use up the memory maps that Linux gives a process (65 530 by default),
# and XLA ends with a segmentation fault when there are none left. Above this many they are let go.
MAPS = 20_000


@pytest.fixture(autouse=True, scope="module")
def let_go_of_programs() -> Iterator[None]:
    """After a file of tests, when the process has many programs."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MAPS:
        jax.clear_caches()
