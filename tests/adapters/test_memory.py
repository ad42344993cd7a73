"""A large model goes through the door within three times the memory of its parameters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

MEASURED = """
import json, re
import jax, torch
from pathlib import Path
from cycloid.adapters import adapt

def memory(name):
    return int(re.search(name + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

def network(width, depth):
    return torch.nn.Sequential(*(torch.nn.Linear(width, width) for _ in range(depth)))

def opened(model, width):
    adapted = adapt(model)
    batch = (torch.ones(2, width), torch.zeros(2, width))
    value, gradient = jax.value_and_grad(adapted.objective(torch.nn.MSELoss()))(adapted.parameters, batch)
    layers = adapted.outputs(adapted.parameters, batch[0])
    return jax.block_until_ready((value, gradient, layers))

opened(network(8, 8), 8)                                      # everything is loaded
before = memory("VmRSS")
model = network(1120, 8)
Path("/proc/self/clear_refs").write_text("5")                 # the peak starts anew
kept = opened(model, 1120)
size = 4 * sum(weight.numel() for weight in model.parameters())
print(json.dumps({"times": (memory("VmHWM") - before) / size, "parameters": size // 4}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read as Linux tells it")
def test_ten_million_parameters_are_opened_within_three_times_their_memory() -> None:
    said = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True)
    told = json.loads(said.stdout)
    assert told["parameters"] > 10_000_000
    assert told["times"] < 2.5  # the model, its gradient, and room to work
