"""Out of memory, foretold: what is there, what is needed, and a sentence before anything is allocated."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models

import cnnlab as cl
from cnnlab.run import room
from tests import memory_oracle as oracle

GB = 10**9


class Residual(nn.Module):
    """Functional calls, a branch that is used twice, and a path that no graph can have."""

    def __init__(self, *, steered: bool = False) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.mix, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 5)
        self.steered = steered

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm(self.conv(x)))
        if self.steered and y.sum() > 0:
            y = y * 2
        for _ in range(2):
            y = y + torch.sigmoid(self.mix(y)) * y
        attention = torch.softmax(y.flatten(2) @ y.flatten(2).transpose(1, 2), dim=-1)
        return self.head((attention @ y.flatten(2)).mean(2))


@pytest.mark.parametrize("shape", [(4, 3, 32, 32), (3, 3, 33, 45)], ids=str)
@pytest.mark.parametrize(
    "make", [Residual, models.resnet18, models.mobilenet_v3_small], ids=["functional", "resnet18", "mobilenet_v3_small"]
)
def test_what_training_needs_is_what_it_takes(make, shape):
    model = make(num_classes=5) if make is not Residual else make()
    learned = sum(p.numel() * p.element_size() for p in model.parameters())
    kept = oracle.saved(model, torch.zeros(shape))
    assert room.training_bytes(model, shape) == 2 * learned + kept
    assert room.training_bytes(model, shape, momentum=False) == learned + kept
    next(model.parameters()).requires_grad_(False)
    frozen = next(model.parameters()).numel() * 4
    assert room.training_bytes(model, shape, momentum=False) == learned - frozen + oracle.saved(
        model, torch.zeros(shape)
    )


def test_the_graph_says_the_same():
    graph = cl.architecture("efficientnet_b0", resolution=64).graph()
    memory = graph.memory(batch=16, optimizer="momentum")
    asked = room.training_bytes(graph.module(), (16, 3, 64, 64))
    assert asked == memory.gradients + memory.optimizer + memory.saved
    halved = room.training_bytes(graph.module(), (16, 3, 64, 64), half=True)
    half = graph.memory(batch=16, dtype="bfloat16").saved + memory.weights // 2
    assert halved == memory.gradients + memory.optimizer + half


def test_asking_leaves_the_model_as_it_was():
    model = Residual()
    model.norm.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes, dice = [part.training for part in model.modules()], torch.get_rng_state()
    assert room.training_bytes(model, (10**6, 3, 64, 64)) > 5 * 10**11  # and at once, whatever the batch
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [part.training for part in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), dice)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_cannot_run_on_meta_is_not_foretold(monkeypatch):
    model = Residual(steered=True)
    assert room.training_bytes(model, (2, 3, 16, 16)) is None
    assert all(part.training for part in model.modules())
    monkeypatch.setattr(room, "available", lambda device: 0)
    room.check_training(model, (2, 3, 16, 16))


def test_a_step_that_cannot_fit_says_so(monkeypatch):
    model = cl.architecture("resnet18").graph().module()
    needed = room.training_bytes(model, (128, 3, 224, 224))
    monkeypatch.setattr(room, "available", lambda device: needed)
    room.check_training(model, (128, 3, 224, 224), device="cpu")
    monkeypatch.setattr(room, "available", lambda device: needed - 1)
    with pytest.raises(MemoryError) as error:
        room.check_training(model, (128, 3, 224, 224), device="cpu")
    assert str(error.value) == (
        "fit: gradients, optimizer state and what a step keeps of a batch of 128 images of 224 x 224 px need 2.93 GB, "
        "and cpu has 2.93 GB left; use a smaller batch, width or resolution"
    )


def test_an_absurd_network_is_refused_before_it_is_allocated():
    absurd = cl.scaled(cl.scaled(cl.architecture("resnet152"), width=40.0), width=10.0).graph()
    assert 4 * absurd.cost().params > 10**13
    with pytest.raises(
        MemoryError, match=r"^resnet152.*: its weights need [\d,.]+ GB, and cpu has [\d,.]+ GB left; use"
    ):
        room.check_module(absurd)
    room.check_module(cl.architecture("resnet18").graph())
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Flatten(), nn.Linear(512, 2))
    with pytest.raises(MemoryError, match="a batch of 1000000000 images of 8 x 8 px need"):
        room.check_training(model, (10**9, 3, 8, 8))


def test_nothing_is_known_of_meta():
    assert room.available("meta") is None
    room.check(10**30, "meta", "anything")


def test_available_is_within_the_machines_memory():
    there = room.available()
    assert there > 0
    if room._left_in_cgroup() is not None:
        assert there <= room._left_in_cgroup() + GB  # others allocate meanwhile


@pytest.mark.parametrize(
    ("own", "files", "left"),
    [
        ("0::/a/b", {"a/b": (5 * GB, 2 * GB, "inactive_file", GB)}, 4 * GB),
        ("0::/a/b", {"a/b": ("max", 2 * GB, "inactive_file", 0), "a": (3 * GB, 2 * GB, "inactive_file", 0)}, GB),
        ("0::/a/b", {"a/b": (GB, 2 * GB, "inactive_file", 0)}, 0),
        ("0::/a/b", {"a/b": ("max", GB, "inactive_file", 0)}, None),
        ("0::/", {}, None),
        (
            "9:name=systemd:/\n4:memory:/job\n0::/",
            {"memory/job": (7 * GB, 2 * GB, "total_inactive_file", GB)},
            6 * GB,
        ),
        ("4:memory:/gone", {"memory": (7 * GB, 2 * GB, "total_inactive_file", 0)}, 5 * GB),
    ],
    ids=["version 2", "the tightest", "over the limit", "no limit", "outermost", "version 1", "seen from inside"],
)
def test_a_cgroups_limit_counts(tmp_path, monkeypatch, own, files, left):
    monkeypatch.setattr(room, "CGROUPS", tmp_path)
    monkeypatch.setattr(room, "OWN_CGROUP", tmp_path / "own")
    (tmp_path / "own").write_text(own + "\n")
    for folder, (limit, usage, cache, cached) in files.items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        first = cache.startswith("total")
        (tmp_path / folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(f"{limit}\n")
        (tmp_path / folder / ("memory.usage_in_bytes" if first else "memory.current")).write_text(f"{usage}\n")
        (tmp_path / folder / "memory.stat").write_text(f"anon 1\n{cache} {cached}\n")
    assert room._left_in_cgroup() == left
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100 * GB}))
    assert room.available("cpu") == (100 * GB if left is None else left)


def test_without_cgroups_the_free_memory_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "OWN_CGROUP", tmp_path / "none")
    monkeypatch.setattr(room.psutil, "virtual_memory", lambda: type("Memory", (), {"available": GB}))
    assert room.available("cpu") == GB


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_tells_what_it_has():
    before = room.available("cuda")
    held = torch.zeros(GB // 4, device="cuda")
    assert before - room.available("cuda") == pytest.approx(GB, rel=0.05)
    del held
    assert room.available("cuda") == pytest.approx(before, rel=0.01)
