"""Searches, guided by coverage, for a document that the config's reader does not stand: a program, for atheris.

usage: python tests/fuzz/config_fuzzer.py [libFuzzer's options] [CORPUS_DIRECTORY…]

Needs `pip install atheris`; the tests replay the corpus that it has left without it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["mpipeline.config", "mpipeline.credentials", "fuzz", "yaml"]):
    from fuzz.loaded import loaded, workplace

sys.argv[1:] = [text if text.startswith("-") else str(Path(text).absolute()) for text in sys.argv[1:]]
sys.argv[1:] = [
    f"-artifact_prefix={Path(text.partition('=')[2]).absolute()}/" if text.startswith("-artifact_prefix=") else text
    for text in sys.argv[1:]
]


def one_input(data: bytes) -> None:
    """Any error but ConfigError is a finding."""
    loaded(data)


if __name__ == "__main__":
    with workplace():
        atheris.Setup(sys.argv, one_input)
        atheris.Fuzz()
