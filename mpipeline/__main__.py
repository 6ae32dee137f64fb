"""`python -m mpipeline` is the `mpipeline` command."""

import sys

from mpipeline.cli import main

sys.exit(main())
