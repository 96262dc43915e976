"""`python tools/convert.py --help`; the same as `paddleprune convert`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune.cli import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
