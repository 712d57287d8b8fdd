"""The exercises of the lessons, one module a lesson; `cnnlab.show.lesson.check` looks them up."""

from __future__ import annotations

from collections.abc import Mapping

from cnnlab.show.exercises import (
    lesson00,
    lesson01,
    lesson02,
    lesson03,
    lesson04,
    lesson05,
    lesson06,
    lesson07,
    lesson08,
    lesson09,
    lesson10,
    lesson11,
    lesson12,
)
from cnnlab.show.exercises.exercise import Exercise, Task

EXERCISES: Mapping[str, Exercise | Task] = {
    **lesson00.EXERCISES,
    **lesson01.EXERCISES,
    **lesson02.EXERCISES,
    **lesson03.EXERCISES,
    **lesson04.EXERCISES,
    **lesson05.EXERCISES,
    **lesson06.EXERCISES,
    **lesson07.EXERCISES,
    **lesson08.EXERCISES,
    **lesson09.EXERCISES,
    **lesson10.EXERCISES,
    **lesson11.EXERCISES,
    **lesson12.EXERCISES,
}
"""number ("03.2", exercise 2 of lesson 03) -> exercise"""
