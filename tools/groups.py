"""`python tools/groups.py --help`; the same as `paddleprune groups`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune.cli import main

if __name__ == "__main__":
    sys.exit(main(["groups", *sys.argv[1:]]))
