"""Frozen values: the small part of dataclasses that PID 1 can afford.

Importing dataclasses takes as long as starting Python itself and would double the
memory of an idle PID 1, so the modules on the way to a running child use this instead.
Type checkers see an ordinary frozen dataclass (PEP 681).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_options: object) -> object:
        return lambda decorator: decorator


@dataclass_transform(frozen_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a class of annotated fields an immutable value, compared and shown by its fields."""
    fields = tuple(cls.__dict__.get("__annotations__", ()))
    defaults = {name: cls.__dict__[name] for name in fields if name in cls.__dict__}

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) > len(fields):
            raise TypeError(f"{cls.__name__} takes {len(fields)} values, not {len(args)}")
        given = dict(zip(fields, args, strict=False))
        for name, item in kwargs.items():
            if name not in fields or name in given:
                raise TypeError(f"{cls.__name__} has no room for {name!r}")
            given[name] = item
        for name in fields:
            if name not in given and name not in defaults:
                raise TypeError(f"{cls.__name__} needs {name!r}")
        self.__dict__.update(defaults)
        self.__dict__.update(given)

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
    cls.__match_args__ = fields  # type: ignore[attr-defined]
    return cls


def replace(original: T, **changes: Any) -> T:
    """A copy of a value with some fields changed."""
    fields: tuple[str, ...] = type(original).__match_args__  # type: ignore[attr-defined]
    same = {name: getattr(original, name) for name in fields}
    return type(original)(**(same | changes))
