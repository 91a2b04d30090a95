"""Entry point of both `python3 -m hub` and `python3 tests/fakes/hub`."""

import pathlib
import sys

if not __package__:
    # Started by directory: Python put that directory itself on the path, the package lies one above.
    sys.path[0] = str(pathlib.Path(__file__).resolve().parent.parent)

from hub.cli import main

sys.exit(main())
