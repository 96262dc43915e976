"""Small copies of alphamatting's pictures and of backgrounds, for dcp.sh: most of a step would go into making them small.

python benchmarks/dcp_data.py --data data/alphamatting --backgrounds data/imagenet_samples/images --save_dir output/dcp/data

Of the 20 pictures to train with 4 choose the epochs; those to validate with are only looked at in the end (test_list.txt).
"""

import argparse
from pathlib import Path

import cv2

LONGEST = 240  # side of the small copies, pixels
CHOOSING = 4  # pictures
BACKGROUNDS = 300


def small(source: Path, target: Path) -> None:
    """A copy of a picture whose longer side is `LONGEST`."""
    picture = cv2.imread(str(source), cv2.IMREAD_UNCHANGED)
    scale = LONGEST / max(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def copied(data: Path, name: str, folder: Path) -> list[str]:
    """The lines of a list whose pictures are now in `folder`, as PNG."""
    lines = (data / name).read_text()
    for file in lines.split():
        small(data / file, folder / Path(file).with_suffix(".png"))
    return lines.replace(".jpg", ".png").splitlines(keepends=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("data", "backgrounds", "save_dir"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    known, new = (copied(options.data, name, options.save_dir) for name in ("train_list.txt", "val_list.txt"))
    for file in sorted(options.backgrounds.iterdir())[:BACKGROUNDS]:
        small(file, options.save_dir / "backgrounds" / f"{file.stem}.png")
    lists = {"train": known[:-CHOOSING], "test": new, "val": known[-CHOOSING:]}
    for name, lines in lists.items():
        (options.save_dir / f"{name}_list.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
