"""What PyTorch cannot differentiate, named with the operation and the way round."""

from __future__ import annotations

import re

# What PyTorch says -> what to do; the groups of the pattern are put into the cure.
_CURES = (
    (r"derivative for (\S+) is not implemented",
     "{0} has no derivative of this order in PyTorch: write that step with plain operations, or give it a "
     "torch.autograd.Function whose backward is differentiable"),
    (r"once_differentiable|trying to differentiate twice a function that was marked",
     "a custom torch.autograd.Function is marked once_differentiable: take the mark off and write its backward with "
     "operations of PyTorch; first derivatives work as it is"),
    (r"does not require grad and does not have a grad_fn|data pointer of Tensor",
     "the outputs do not depend on the parameters through operations that PyTorch can differentiate (a .detach(), "
     ".item(), NumPy or torch.no_grad() on the way): keep that step in PyTorch"),
    (r"Inplace update|in-place operation|mutate",
     "a parameter or an input is written in place: write x = x + y for x += y there"),
    (r"mat1 and mat2|size of tensor|must match|expected.*(dim|channel|size)|[Ss]hape",
     "the batch does not fit the model: check the shape of the inputs (and that a tuple holds several inputs)"),
)  # fmt: skip


def explained(error: Exception, of: str) -> Exception:
    """The error of PyTorch with the operation that made it and the way round, where one is known."""
    text = str(error)
    for pattern, cure in _CURES:
        found = re.search(pattern, text)
        if found:
            first = text.strip().splitlines()[0]
            return TypeError(f"{of}: {cure.format(*found.groups())}. PyTorch said: {first}")
    return error
