"""`python -m spec` is the command `handfast`."""

import sys

from spec.cli import main

sys.exit(main())
