"""python -m cnnlab.prune ...: the comparison of criteria; see `cnnlab.prune.command`."""

import sys

from cnnlab.prune.command import main

if __name__ == "__main__":
    sys.exit(main())
