"""`mpipeline check`: validates a config and prints the plan, memory per ring included. Starts nothing."""

from __future__ import annotations

import argparse
import math

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mpipeline import registry
from mpipeline.backends.backend import BackendOptions
from mpipeline.backends.devices import gpu_of
from mpipeline.cli.run import add_config_arguments, config_of
from mpipeline.cli.terminal import output
from mpipeline.config import ModelSpec
from mpipeline.config.device import as_list
from mpipeline.cuda import probe
from mpipeline.errors import EXIT_CONFIG, EXIT_DONE, EXIT_SOURCE_FAILED, BackendError, ModelUnavailable
from mpipeline.pipeline import look_and_plan
from mpipeline.ring.capacity import available_bytes
from mpipeline.store.resolve import located
from mpipeline.supervisor.plan import ModelPlan, Plan

_MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_config_arguments(parser)


def command(arguments: argparse.Namespace) -> int:
    """Prints the plan; 0 if it can work, 65 if a file cannot be read, 78 if the rings do not fit into /dev/shm."""
    config = config_of(arguments)
    plan, unreadable = look_and_plan(config)
    console = output()
    console.print(f"[bold]{plan.config.name}[/]: {len(plan.workers)} processes")
    console.print(_sources(plan, set(unreadable)))
    console.print(_sinks(plan))
    for name, model in config.every_model().items():
        _tell_model(console, name, model)
        for one in [each for each in plan.models if each.name == name]:
            if len(as_list(model.device)) > 1:
                console.print(f"  {one.device}: {escape(' '.join(one.sources))}")
            _tell_gpu(console, plan, model, one)
    if config.tracker is not None:  # what is wrong with it is told here
        registry.load("trackers", config.tracker.kind)(config.tracker.options, 30.0)
        console.print(f"tracker {config.tracker.kind}")
    for source in plan.config.sources:
        if outlook := getattr(source.options, "outlook", ""):
            console.print(escape(f"{source.name}: {outlook}"))
    free = available_bytes()
    container = f"a container needs --shm-size={math.ceil(plan.container_bytes / _MIB)}m"
    console.print(f"shared memory {plan.ring_bytes / _MIB:.0f} MiB of {free / _MIB:.0f} MiB available; {container}")
    if plan.ring_bytes > free:
        console.print("[red]/dev/shm is too small for this plan[/]: more of it, or fewer slots")
    for error in unreadable.values():
        console.print(f"[red]{escape(str(error))}[/]")
    if plan.known_ring_bytes > free:
        return EXIT_CONFIG
    return EXIT_SOURCE_FAILED if unreadable else EXIT_DONE


def _tell_model(console: Console, name: str, model: ModelSpec) -> None:
    threshold = f"  confidence {model.confidence:g}" if model.target is None else ""
    which = escape(str(model.path or model.target or model.id))
    how = f"backend {model.backend}  device {escape(' '.join(as_list(model.device)))}{threshold}"
    console.print(f"model {name}{': ' if name else ''}{which}  {how}")
    for device in as_list(model.device):  # one that its backend does not know is told here
        registry.load("backends", model.backend)(BackendOptions(str(model.path or model.target or model.id), device))
    try:
        located(model, fetch=False)
    except ModelUnavailable as missing:
        console.print(f"[yellow]{escape(str(missing))}, or let the run fetch it[/]")


def _tell_gpu(console: Console, plan: Plan, model: ModelSpec, one: ModelPlan) -> None:
    """The GPU of an inference process, or why there is none where one is asked for; and what it page-locks."""
    number = gpu_of(one.device)
    is_asked_for = number is not None or model.backend == "tensorrt"
    may_be_taken = one.device == "auto" and model.backend == "auto"
    if model.target is not None or not (is_asked_for or may_be_taken):
        return
    try:
        gpu = probe.device(number or 0)
    except BackendError as error:
        if is_asked_for:
            console.print(f"  [yellow]{escape(str(error))}[/]")
        return
    console.print(f"  {escape(str(gpu))}")
    if model.backend == "onnxruntime":
        return
    taken = sum(ring.bytes for ring in plan.rings if ring.source in one.sources)
    console.print(f"  in TensorRT {taken / _MIB:.0f} MiB of rings are page-locked, of {model.page_locked_mb} allowed")
    if taken > model.page_locked_mb << 20:
        console.print("  [yellow]model.page_locked_mb is less than that: frames of some rings are copied once more[/]")


def _sources(plan: Plan, unreadable: set[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    several = len(plan.config.every_model()) > 1
    for heading in ("source", "kind", "size", "delivery", "slots", "ring MiB", *(["models"] if several else [])):
        table.add_column(heading, justify="right" if heading in ("slots", "ring MiB") else "left")
    for source, ring in zip(plan.config.sources, plan.rings, strict=True):
        size = f"{ring.width}x{ring.height}" + (" (assumed)" if ring.assumed else "")
        delivery = "every_frame" if ring.every_frame else "latest"
        shown = "[red]cannot be read[/]" if source.name in unreadable else size
        models = [" ".join(plan.config.models_of(source))] if several else []
        table.add_row(source.name, source.kind, shown, delivery, str(ring.slots), f"{ring.bytes / _MIB:.1f}", *models)
    return table


def _sinks(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    several = len(plan.config.every_model()) > 1
    for heading in ("sink", "kind", "overflow (files / live)", *(["models"] if several else [])):
        table.add_column(heading)
    for sink in plan.sinks:
        policies = f"{sink.overflow(every_frame=True)} / {sink.overflow(every_frame=False)}"
        models = [" ".join(plan.config.models_of(sink.spec))] if several else []
        table.add_row(sink.spec.name, sink.spec.kind, policies, *models)
    return table
