"""Which family a model belongs to: the one that was asked for, or the only one that recognises the file."""

from __future__ import annotations

from mpipeline import registry
from mpipeline.errors import ModelError, MpipelineError
from mpipeline.models.family import Family
from mpipeline.models.image_input import describe
from mpipeline.tensor import ModelInfo


def choose_family(info: ModelInfo, family: str | None) -> tuple[type[Family], str]:
    """The class of the family, and a sentence for the log that says why it is this one.

    What is configured counts: shapes alone are no proof. But it is told if the file looks like another family only.
    Raises UnknownKind for a family that does not exist, ModelError if none or several recognise the file.
    """
    if family is not None:
        chosen: type[Family] = registry.load("models", family)
        doubts = "" if chosen.matches(info) is not None else _doubts(info)
        return chosen, f"The family is {family}, as configured{doubts}."
    found = _recognised(info)
    if len(found) == 1:
        kind, (chosen, why) = next(iter(found.items()))
        return chosen, f"The family is {kind}: {why}."
    if found:
        reasons = "; ".join(f"{kind}: {why}" for kind, (_, why) in found.items())
        raise ModelError(f"the model may be of several families, set model.family to one of them ({reasons})")
    raise ModelError(
        f"the model file does not show of which family it is, set model.family to one of: "
        f"{', '.join(sorted(registry.kinds('models')))} (inputs: {_described(info, 'inputs')}; "
        f"outputs: {_described(info, 'outputs')})"
    )


def _recognised(info: ModelInfo) -> dict[str, tuple[type[Family], str]]:
    """The families that recognise the file, and why."""
    found: dict[str, tuple[type[Family], str]] = {}
    for kind in registry.kinds("models"):
        candidate: type[Family] = registry.load("models", kind)
        why = candidate.matches(info)
        if why is not None:
            found[kind] = (candidate, why)
    return found


def _doubts(info: ModelInfo) -> str:
    try:
        others = _recognised(info)
    except MpipelineError:  # a family that cannot be loaded is no trouble of those who use another one
        return ""
    return "".join(f"; unasked it would be taken for {kind}: {why}" for kind, (_, why) in others.items())


def _described(info: ModelInfo, which: str) -> str:
    return ", ".join(describe(spec) for spec in getattr(info, which)) or "none"
