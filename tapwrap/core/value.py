"""Frozen values: the small part of dataclasses that PID 1 can afford.

Importing dataclasses takes as long as starting Python itself and would double the
memory of an idle PID 1, so the modules on the way to a running child use this instead.
Type checkers see an ordinary frozen dataclass (PEP 681).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_options: object) -> object:
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class of annotated fields an immutable value, compared and shown by its fields."""
    fields = tuple(cls.__annotations__)
    defaults = {name: cls.__dict__[name] for name in fields if name in cls.__dict__}

    def __init__(self: object, *args: object, **kwargs: object) -> None:
        known = self.__dict__
        if len(args) == len(fields) and not kwargs:  # The common case, and the quick one.
            known.update(zip(fields, args, strict=True))
            return
        known.update(defaults)
        known.update(zip(fields, args, strict=False))
        known.update(kwargs)
        if (
            len(known) != len(fields)
            or len(args) > len(fields)
            or not kwargs.keys().isdisjoint(fields[: len(args)])
        ):
            raise TypeError(f"{cls.__name__} is made of {', '.join(fields)}")

    def __setattr__(self: object, name: str, _item: object) -> None:
        raise AttributeError(f"cannot change {name!r}: {cls.__name__} is a value")

    def __eq__(self: object, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self: object) -> int:
        return hash((cls, *(getattr(self, name) for name in fields)))

    def __repr__(self: object) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in fields)
        return f"{cls.__name__}({shown})"

    for method in (__init__, __setattr__, __eq__, __hash__, __repr__):
        setattr(cls, method.__name__, method)
    cls.__match_args__ = fields  # type: ignore[attr-defined,misc]
    return cls


def replace(original: T, **changes: object) -> T:
    """A copy of a value with some fields changed."""
    copy = object.__new__(type(original))
    copy.__dict__.update(original.__dict__)
    copy.__dict__.update(changes)
    if len(copy.__dict__) != len(original.__dict__):
        raise TypeError(f"{type(original).__name__} has no room for all of {', '.join(changes)}")
    return copy
