"""`python tools/merge_sensitivities.py --help`; the same as `paddleprune merge_sensitivities`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from paddleprune.cli import main

if __name__ == "__main__":
    sys.exit(main(["merge_sensitivities", *sys.argv[1:]]))
