"""A trainer that tells the story of a run without training: instant, and always the same."""

from __future__ import annotations

import math
import threading

CARD = {
    "claim": "R² on 89 unseen rows is 0.4817.",
    "method": "sums over the rows",
    "second_method": "bootstrap of the rows",
    "value": 0.4817,
    "second_value": 0.4809,
    "disagreement": 0.0008,
    "allowance": 0.02,
    "verdict": "agrees",
    "sentence": "The two agree within the allowance.",
    "unit": "",
    "further": [],
}
VERDICT = {
    "improved": "yes",
    "sentence": "R² on unseen rows rose from −0.01 to 0.48.",
    "remarks": ["The mean of the training targets would have reached −0.01."],
}
GROUPS = ["target ≤ 87", "87 < target ≤ 140", "target > 140"]
LAYERS = ["layer 1 weight", "layer 1 bias", "layer 2 weight", "layer 2 bias"]


def record(step: int, steps: int) -> dict:
    """The chain of one step, falling smoothly."""
    t = step / steps
    size = 2.0 * math.exp(-3 * t)
    promised = -0.05 * math.exp(-4 * t)
    return {
        "step": step,
        "loss": 0.4 + 0.9 * math.exp(-5 * t) + 0.03 * math.sin(7 * step),
        "train_loss": 0.4 + 0.9 * math.exp(-5 * t),
        "validation_loss": 0.5 + 0.8 * math.exp(-5 * t) + 0.1 * t * t,
        "group_losses": [0.3, 0.2, 0.9 - 0.5 * t],
        "gradient_norm": size,
        "layer_gradient_norms": [0.8 * size, 0.1 * size, 0.55 * size, 0.2 * size],
        "update_ratios": [0.01, 0.02, 0.01, 0.02],
        "predicted_change": promised,
        "actual_change": promised * (0.9 + 0.3 * math.sin(step)),
        "ratio": 0.9 + 0.3 * math.sin(step),
        "cosine": 0.82,
        "metric_before": -0.01 if step == 1 else 0.5 - 0.5 * math.exp(-5 * t),
        "metric": 0.5 - 0.5 * math.exp(-5 * t),
    }


class StoryTeller:
    """Reports a whole run at once; seed 13 fails, seed 7 waits until it is let go or cancelled."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def __call__(self, order, report) -> None:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            self._tell(order, report)
        finally:
            with self._lock:
                self.running -= 1

    def _tell(self, order, report) -> None:
        if order.seed == 13:
            raise ValueError("The column 'age' holds the text 'old' in line 7: write numbers, or leave the cell empty.")
        if order.seed == 14:
            raise RuntimeError("secret details")
        report(
            "data",
            {"task": "regression", "rows": {"train": 265, "validation": 88, "test": 89}, "sentence": "265 rows."},
        )
        report("model", {"layers": LAYERS, "groups": GROUPS, "metric": "R²"})
        steps = sorted({1, *range(order.record_every, order.max_steps + 1, order.record_every)})
        for step in steps:
            if not report("record", record(step, order.max_steps)):
                return
            if order.seed == 7:
                while not self.gate.wait(0.02):
                    if not report("phase", {"phase": "training", "sentence": "Waiting at the gate."}):
                        return
        report("result", self._result(order))

    def _result(self, order) -> dict:
        low, high = 0.33, 0.61
        metric = {
            "name": "r2",
            "title": "R²",
            "value": 0.4817,
            "low": low,
            "high": high,
            "level": 0.95,
            "rows": 89,
            "part": "test",
        }
        return {
            "steps": order.max_steps,
            "best_step": order.max_steps,
            "status": "All the steps asked for were run.",
            "explanation": "",
            "loss_formula": "mean (ŷ − y)²",
            "metrics": [metric],
            "verdict": VERDICT,
            "card": CARD,
            "report": ["diabetes: 442 rows, 11 columns.", "10 inputs, scaled."],
        }
