"""PyTorch's tensors and JAX's arrays: the same memory, read by both."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import torch

# NumPy has no bfloat16 of its own: its bits cross as integers.
_BFLOAT = np.dtype(ml_dtypes.bfloat16)


def array(value: torch.Tensor) -> jax.Array:
    """A tensor as an array of JAX, in place where its memory allows it.

    Raises:
        ValueError: for 64-bit real numbers without `cy.enable_x64()`.
    """
    value = value.detach().resolve_conj().resolve_neg()
    if value.is_floating_point() and short_dtype(value.dtype) != numpy_dtype(value.dtype):
        raise ValueError(
            f"the tensor is of {value.dtype}, which JAX would cut short: call cy.enable_x64() first, or model.float()."
        )
    value = value.to(torch_dtype(short_dtype(value.dtype)))
    if value.device.type not in ("cpu", "cuda") or (value.is_cuda and jax.default_backend() != "gpu"):
        value = value.cpu()
    return jnp.from_dlpack(value.contiguous())


def tensor(value: Any, device: torch.device) -> torch.Tensor:
    """An array of JAX as a tensor: in place on the same device. It must not be written."""
    value = jnp.asarray(value)
    crossed = torch.from_dlpack(value) if value.size else torch.empty(value.shape, dtype=torch_dtype(value.dtype))
    return whole_numbers(crossed.to(device))


def from_numpy(value: Any, device: torch.device) -> torch.Tensor:
    """An array of NumPy as a tensor, in place on a CPU. It must not be written."""
    value = np.asarray(value)
    if value.dtype == _BFLOAT:
        return from_numpy(value.view(np.int16), device).to(torch.int16).view(torch.bfloat16)
    return whole_numbers(torch.from_numpy(value).to(device))


def to_numpy(value: torch.Tensor) -> np.ndarray:
    """A tensor as an array of NumPy of the dtype that JAX gives it."""
    value = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy().view(_BFLOAT)
    return value.numpy().astype(short_dtype(value.dtype), copy=False)


def whole_numbers(value: torch.Tensor) -> torch.Tensor:
    """Classes and tokens as PyTorch wants them, in 64 bits: without `cy.enable_x64()` JAX holds them in 32."""
    return value.long() if value.dtype == torch.int32 else value


def numpy_dtype(dtype: torch.dtype) -> np.dtype:
    return _BFLOAT if dtype == torch.bfloat16 else np.dtype(str(dtype).removeprefix("torch."))


def short_dtype(dtype: torch.dtype) -> np.dtype:
    """The dtype that JAX gives it."""
    return jax.dtypes.canonicalize_dtype(numpy_dtype(dtype))


def torch_dtype(dtype: Any) -> torch.dtype:
    return getattr(torch, np.dtype(dtype).name)
