"""Names of classes: which ones a model has, and which classes a filter keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mpipeline.errors import ModelError
from mpipeline.models.coco import COCO_NAMES
from mpipeline.registry import suggestion

_UNKNOWN = "No class names are known"  # how sentences on that begin


def are_known(sentence: str) -> bool:
    """False for a sentence of `choose_names` which says that a model came without names."""
    return not sentence.startswith(_UNKNOWN)


def in_order(names: Sequence[str] | Mapping[int, str]) -> tuple[str, ...]:
    """Class id → name; a gap in the numbers of a mapping is filled with the number."""
    if isinstance(names, Mapping):
        return tuple(str(names.get(i, i)) for i in range(max(names, default=-1) + 1))
    return tuple(str(name) for name in names)


def choose_names(given: Sequence[str], in_file: Sequence[str], count: int | None) -> tuple[tuple[str, ...], str]:
    """The names of a model with `count` classes (None: unknown), and a sentence that says where they come from.

    `given` by the config or the sidecar file goes before `in_file`. Without any, 80 classes are taken for those of
    COCO, and others are called by their number. Raises ModelError if the number of names is not that of the classes.
    """
    for names, origin in (
        (tuple(given), "given by the config, the sidecar file or the model package"),
        (tuple(in_file), "in the model file"),
    ):
        if not names:
            continue
        if count is not None and len(names) != count:
            many = "1 class name is" if len(names) == 1 else f"{len(names)} class names are"
            classes = "1 class" if count == 1 else f"{count} classes"
            raise ModelError(f"{many} {origin}, but the model's output has {classes}")
        return names, named(names, origin)
    if count is None:
        return (), f"{_UNKNOWN}: classes are called by their number; set names to change that."
    if count == len(COCO_NAMES):
        return COCO_NAMES, f"{_UNKNOWN}: the 80 names of COCO are assumed; set names to change that."
    return tuple(str(i) for i in range(count)), unnamed(count)


def named(names: Sequence[str], origin: str) -> str:
    """The sentence on where they come from."""
    many = "The only class name is" if len(names) == 1 else f"The {len(names)} class names are"
    return f"{many} {origin}."


def unnamed(count: int) -> str:
    """The sentence on so many classes without names."""
    called = "the only class is called by its" if count == 1 else f"the {count} classes are called by their"
    return f"{_UNKNOWN}: {called} number; set names to change that."


def resolve_classes(wanted: Sequence[int | str] | None, names: Sequence[str]) -> frozenset[int] | None:
    """The ids that a filter of ids and names keeps; None keeps all.

    A name is matched exactly, then without regard to case. Raises ModelError for an unknown name, with the nearest one,
    and for an id that no class has.
    """
    if wanted is None:
        return None
    by_name: dict[str, list[int]] = {}
    for class_id, name in enumerate(names):
        for key in {name, name.casefold()}:
            by_name.setdefault(key, []).append(class_id)
    kept: set[int] = set()
    for item in wanted:
        if isinstance(item, int):
            if item < 0 or (names and item >= len(names)):
                raise ModelError(f"classes: there is no class {item}; the model has classes 0 to {len(names) - 1}")
            kept.add(item)
            continue
        found = by_name.get(item) or by_name.get(item.casefold())
        if found is None:
            known = (
                suggestion(item, list(names))
                if names
                else "; the names of the model's classes are not known, set names"
            )
            raise ModelError(f"classes: the model has no class {item!r}{known}")
        kept.update(found)
    return frozenset(kept)
