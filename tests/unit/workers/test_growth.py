"""A live run goes on for ever: what is done for each frame, and for each reconnect, leaves nothing behind."""

from __future__ import annotations

import pytest
from support.blocks import FEW, blocks_kept
from support.lab import Lab, lab
from support.lab_parts import SinkSetup, SourceSetup
from support.predictions import meta, prediction

from mpipeline.messages import PredictionReady
from mpipeline.transport import codec
from mpipeline.workers.wire import from_wire, to_wire

ENDLESS = 10**9


class Run:
    """A lab with two cameras and a file. `fault` happens to it every 20 steps."""

    def __init__(self, made: Lab, fault: str) -> None:
        self._lab = made
        self._fault = fault
        self._steps = 0

    def step(self) -> None:
        self._lab.step()
        for store in self._lab.stores.values():
            store.written.clear()
            store.ended.clear()
        self._steps += 1
        if self._steps % 20 == 0:
            self._strike(half=self._steps % 40 == 0)

    def _strike(self, half: bool) -> None:
        made = self._lab
        if self._fault == "reconnect":  # all that others see of it is that frames are missing
            made.decoders["cam"].next_id += 7
        elif self._fault == "decoder":
            made.kill_decoder("cam", while_writing=half)
            made.start_decoder("cam")
        elif self._fault == "sink":
            made.kill_sink("plain", while_reading=half)
            made.start_sink("plain")
        elif self._fault == "resolution":
            camera = made.decoders["cam"]
            camera.setup = SourceSetup("cam", ENDLESS, False, resize_at=1 if half else 0)
            camera.asked = None


@pytest.mark.parametrize("fault", ["none", "reconnect", "decoder", "sink", "resolution"])
def test_a_run_keeps_nothing(fault: str) -> None:
    sources = [SourceSetup("cam", ENDLESS, False), SourceSetup("other", ENDLESS, False), SourceSetup("file", ENDLESS)]
    with lab(sources, [SinkSetup("plain"), SinkSetup("pixels", pixels=True)]) as made:
        run = Run(made, fault)
        for _ in range(600):  # then every queue is as full as it gets
            run.step()
        assert blocks_kept(run.step) < FEW
        assert made.inference is not None
        assert made.inference.progress > 1500


@pytest.mark.parametrize("boxes", [1, 7, 15])
def test_a_prediction_that_was_passed_on_leaves_nothing(boxes: int) -> None:
    given = prediction(meta(), *[(0, 0, 1 + i, 1) for i in range(boxes)])
    data = codec.encode(to_wire(given, None))

    def receive() -> None:
        message = codec.decode(data)
        assert isinstance(message, PredictionReady)
        from_wire(message)

    assert blocks_kept(receive) < FEW
    assert blocks_kept(lambda: codec.encode(to_wire(given, None))) < FEW
