"""The exercises of the lessons, one module a lesson; `cnnlab.show.lesson.check` looks them up."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from cnnlab.show.exercises.exercise import Exercise, Task

EXERCISES: Mapping[str, Exercise | Task] = {
    number: exercise
    for module in sorted(each.name for each in iter_modules(__path__) if each.name.startswith("lesson"))
    for number, exercise in import_module(f"{__name__}.{module}").EXERCISES.items()
}
"""number ("03.2", exercise 2 of lesson 03) -> exercise"""
