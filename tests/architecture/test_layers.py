"""The layers of the house, by import-linter's contracts in .importlinter."""

from __future__ import annotations

import subprocess
import sys

from architecture.source_tree import ROOT


def test_the_contracts_of_the_layers_are_kept() -> None:
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 kept, 0 broken" in done.stdout
