"""`python tools/init.py --help`; the same as `paddleprune init`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune.cli import main

if __name__ == "__main__":
    sys.exit(main(["init", *sys.argv[1:]]))
