"""``python -m srae VERB``: the same as the command ``srae``."""

import sys

from srae.cli import main

if __name__ == "__main__":
    sys.exit(main())
