"""The rules of the diagnosis: one function a fault, each with its indicator, its threshold and where they come from."""

from cycloid.train.rules.table import RULES, Rule

__all__ = ["RULES", "Rule"]
