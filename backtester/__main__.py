"""`python -m backtester`."""

import sys

from backtester.cli.app import main

sys.exit(main())
