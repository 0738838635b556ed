"""What is made of an object when somebody asks for it first: `functools.cached_property` without the lock that it takes before
Python 3.12. Two threads that ask at once may both make it, and get the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar, overload

OwnerT = TypeVar("OwnerT")
T = TypeVar("T")


class lock_free_property(Generic[OwnerT, T]):
    """Kept in the object's `__dict__` under its own name, where it is found before this is asked again."""

    def __init__(self, make: Callable[[OwnerT], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, instance: None, owner: type[object]) -> lock_free_property[OwnerT, T]: ...
    @overload
    def __get__(self, instance: OwnerT, owner: type[object]) -> T: ...
    def __get__(self, instance: OwnerT | None, owner: type[object]) -> lock_free_property[OwnerT, T] | T:
        if instance is None:
            return self
        made = instance.__dict__[self._name] = self._make(instance)
        return made
