"""Settings every test shares: float64, a compile cache, deterministic hypothesis, warnings as errors."""

from __future__ import annotations

import os
from pathlib import Path

# One thread an XLA program: with xdist, programs that each want every core slow each other down.
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from jaxtyping import install_import_hook

# Shape annotations are checked while the tests run.
install_import_hook("cycloid", "shape_checks.check_shapes")

import jax
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
