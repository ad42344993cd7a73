"""What is asked for, and how it will be computed, before anything is: the plan, the memory, what does not fit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from cycloid.differentiate.sparse.assembly import Layout
from cycloid.differentiate.sparse.patterns import Pattern


@dataclass(frozen=True)
class Plan:
    """How a sparse derivative is computed.

    Args:
        operator: "jacobian" or "hessian".
        path: "maps" (every entry by itself, by sparse forward mode through the program), "colouring" (products with
            sums of columns that share no row) or "dense" (a product for each column).
        mode: "forward", "reverse", or "forward over reverse" for a Hessian.
        reason: why this path.
        shape: of the matrix.
        nonzeros: entries that may differ from zero.
        maps: boxes of entries told by strides; 0 on the other paths.
        colours: products; 0 on the path by maps.
        chunks: parts in which the products are made, one after the other.
        memory: bytes of the answer and of what is held beside it while it is computed.
        cost: in evaluations of the function.
        layout: where each value of the answer lies.
        classes: the colour of each column (of each row, in reverse mode) on the path by colouring.
        trees: what the rows and the columns belong to, as pytrees of shapes.
    """

    operator: str
    path: str
    mode: str
    reason: str
    shape: tuple[int, int]
    nonzeros: int
    maps: int
    colours: int
    chunks: int
    memory: int
    cost: float
    layout: Layout = field(compare=False, repr=False)
    classes: np.ndarray | None = field(compare=False, repr=False)
    trees: tuple[Any, Any] = field(compare=False, repr=False)

    @property
    def pattern(self) -> Pattern:
        """Which entries may differ from zero."""
        indices = self.layout.indices()
        return Pattern(indices[:, 0], indices[:, 1], self.shape)

    def __str__(self) -> str:
        rows, columns = self.shape
        how = f"{self.maps} maps" if self.path == "maps" else f"{self.colours} products"
        how += f" in {self.chunks} chunks" if self.chunks > 1 else ""
        path = "in full" if self.path == "dense" else f"by {self.path}"
        return (
            f"{self.operator} of {rows} x {columns} with {self.nonzeros} entries {path}, {self.mode} mode: "
            f"{how}, {readable(self.memory)}, about {self.cost:.3g} evaluations. {self.reason}"
        )


def readable(size: float) -> str:
    """Bytes with three digits: 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


@dataclass(frozen=True)
class Request:
    """What was asked for beside the function.

    Args:
        operator: "jacobian" or "hessian".
        pattern: None for one that is found, else the user's.
        mode: "auto", "forward" or "reverse".
        argnums: the arguments that are differentiated.
        memory: bytes that may be used; None for half of what is free.
        mesh: the devices.
        dense: whether the answer is to hold every entry, in the form of pytrees.
    """

    operator: str
    pattern: Pattern | None
    mode: str
    argnums: int | tuple[int, ...] | None
    memory: int | None
    mesh: Mesh | None
    dense: bool = False

    @property
    def second(self) -> bool:
        return self.operator == "hessian"

    @property
    def budget(self) -> int:
        return free_memory() // 2 if self.memory is None else self.memory

    def answer_bytes(self, nonzeros: int, dtype: Any) -> int:
        """Memory of the answer: its values, and where it is sparse a row and a column for each."""
        return nonzeros * (np.dtype(dtype).itemsize + (0 if self.dense else 8))


def free_memory() -> int:
    """Bytes free on the device, or in the machine where the device does not say."""
    found = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in found:
        return int(found["bytes_limit"]) - int(found.get("bytes_in_use", 0))
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_too_large(operator: str, rows: int, columns: int, budget: int | None = None, beside: int = 0) -> None:
    """Refuse a dense answer that does not fit, before anything is computed.

    Args:
        operator: "jacobian" or "hessian".
        rows, columns: of the answer.
        budget: bytes allowed; None for what is free.
        beside: bytes held beside the answer while it is computed.

    Raises:
        ValueError: when it does not fit.
    """
    size, budget = rows * columns * jnp.result_type(float).itemsize, free_memory() if budget is None else budget
    if size + beside > budget:
        raise ValueError(
            f"{operator}: a dense answer of {rows} by {columns} numbers would take {_told(size, beside, budget)}. Use "
            f'pattern="auto" where most of them are zero, {_instead(operator)}.'
        )


def refuse_too_many(operator: str, nonzeros: int, size: int, budget: int, beside: int = 0) -> None:
    """Refuse a sparse answer that does not fit, before anything is computed.

    Args:
        operator: "jacobian" or "hessian".
        nonzeros: its entries.
        size: their bytes.
        budget: bytes allowed.
        beside: bytes held beside the answer while it is computed.

    Raises:
        ValueError: when it does not fit.
    """
    if size + beside > budget:
        raise ValueError(
            f"{operator}: the answer has {nonzeros} entries that may differ from zero and would take "
            f"{_told(size, beside, budget)}. Use {_instead(operator)}."
        )


def _told(size: int, beside: int, budget: int) -> str:
    work = f", and {readable(beside)} beside it while it is computed" if size <= budget else ""
    return f"{readable(size)}{work}, with {readable(budget)} allowed"


def _instead(operator: str) -> str:
    products = "jax.jvp or jax.vjp for products with it"
    if operator == "hessian":
        products = "hvp for products with it, spectrum for its largest eigenvalues"
    return f"{products}, argnums= for fewer arguments at a time, or memory= to allow more bytes"
