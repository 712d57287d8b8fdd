"""The real tools whose totals cnnlab reproduces, each as a function (module, resolution) -> int.

They leave residue in what they count (buffers, hooks, evaluation mode), so each counts a copy: one image, evaluation.
No tool looks at values, so torchinfo and thop count on the meta device and wait for no convolution. fvcore's jit trace
fails there, and ptflops then counts linear layers twice (torch's meta kernel for them calls the `addmm` it patches).
"""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Callable, Mapping

import fvcore.nn
import ptflops
import torch
import torchinfo
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # thop imports distutils, which is deprecated
    import thop


def prepared(module: nn.Module, resolution: int, channels: int, device: str = "meta") -> tuple[nn.Module, Tensor]:
    """A copy of the module in evaluation, and one image of this size, on this device."""
    module = copy.deepcopy(module).eval()
    on_meta = any(parameter.is_meta for parameter in module.parameters())
    module = module.to_empty(device=device) if on_meta else module.to(device)
    return module, torch.empty(1, channels, resolution, resolution, device=device)


def fvcore_total(module: nn.Module, resolution: int, channels: int = 3) -> int:
    """fvcore.nn.FlopCountAnalysis(...).total()"""
    analysis = fvcore.nn.FlopCountAnalysis(*prepared(module, resolution, channels, "cpu"))
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def torchinfo_total(module: nn.Module, resolution: int, channels: int = 3) -> int:
    """torchinfo.summary(...).total_mult_adds"""
    module, image = prepared(module, resolution, channels)
    return int(torchinfo.summary(module, input_data=image, verbose=0, device="meta").total_mult_adds)


def ptflops_total(module: nn.Module, resolution: int, channels: int = 3) -> int:
    """ptflops.get_model_complexity_info(...)[0], with the backend that its code defaults to"""
    module, _ = prepared(module, resolution, channels, "cpu")
    total, _ = ptflops.get_model_complexity_info(
        module, (channels, resolution, resolution), as_strings=False, print_per_layer_stat=False
    )
    assert total is not None, "ptflops swallowed an exception and printed it"
    return int(total)


def thop_total(module: nn.Module, resolution: int, channels: int = 3) -> int:
    """thop.profile(...)[0]"""
    module, image = prepared(module, resolution, channels)
    with contextlib.redirect_stdout(io.StringIO()):
        total, _ = thop.profile(module, inputs=(image,), verbose=False)
    assert total == int(total)
    return int(total)


TOOLS: Mapping[str, Callable[..., int]] = {
    "fvcore": fvcore_total,
    "torchinfo": torchinfo_total,
    "ptflops": ptflops_total,
    "thop": thop_total,
}
"""The convention's name -> the tool itself."""
