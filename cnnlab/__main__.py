"""`python -m cnnlab`: sweeps from the command line; see `cnnlab.run.command`."""

import sys

from cnnlab.run.command import main

if __name__ == "__main__":
    sys.exit(main())
