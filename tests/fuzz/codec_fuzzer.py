"""Searches, guided by coverage, for bytes that the codec does not stand: a program of its own, for atheris.

usage: python tests/fuzz/codec_fuzzer.py [libFuzzer's options] [CORPUS_DIRECTORY…]

Needs `pip install atheris`; the tests replay the corpus that it has left without it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(
    include=["mpipeline.transport", "mpipeline.workers.wire", "mpipeline.masks", "msgpack.fallback", "fuzz"]
):
    from fuzz.decoded import decoded


def one_input(data: bytes) -> None:
    """Any error but ProtocolError is a finding."""
    decoded(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
