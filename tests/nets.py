"""Modules for tests, written in one line."""

from __future__ import annotations

from torch import nn


def net(forward, **parts) -> nn.Module:
    """A module of these parts with this forward(self, *inputs)."""

    class Net(nn.Module):
        pass

    Net.forward = forward
    module = Net()
    for name, part in parts.items():
        setattr(module, name, part)
    return module
