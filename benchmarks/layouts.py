"""Folders in the layouts of eight tools, made of data sets in list files; and what `compress` makes of each.

    python benchmarks/layouts.py --data data --save_dir output/layouts --minutes 4 \\
        --json benchmarks/results/compress_layouts.json

Of TrashNet 80 pictures a class, of BCCD, CamVid and the portraits 120 each. Every folder then goes through the one
command with the same words: `paddleprune compress --data FOLDER --target size=0.25 --minutes N --save_dir OUT`. What is
finished is not made again.
"""

import argparse
import base64
import io
import json
import shlex
import shutil
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from paddleprune import benchmark
from paddleprune.files import write_json

CELLS = ["RBC", "WBC", "Platelets"]
COLOURS = [(128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
           (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192)]  # fmt: skip
COUNT = 120


def rows(data, name):
    return [line.split() for line in (data / name / "train_list.txt").read_text().splitlines() if line]


def copied(file, folder):
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / file.name)


def boxes(file):
    """Width, height and (class, x1, y1, x2, y2) of a VOC annotation."""
    tree = ElementTree.parse(file).getroot()
    sides = [int(tree.findtext(f"size/{key}")) for key in ("width", "height")]
    found = [
        (o.findtext("name"), *(float(o.findtext(f"bndbox/{k}")) for k in ("xmin", "ymin", "xmax", "ymax")))
        for o in tree.iter("object")
    ]
    return *sides, [one for one in found if one[3] - one[1] > 1 and one[4] - one[2] > 1]


def waste_folders(data, folder):
    """A folder a class."""
    labels, taken = (data / "trashnet/labels.txt").read_text().splitlines(), Counter()
    for picture, index in rows(data, "trashnet"):
        taken[index] += 1
        if taken[index] <= 80:
            copied(data / "trashnet" / picture, folder / labels[int(index)].replace(" ", "_"))


def cells_yolo(data, folder):
    """YOLO, with a data.yaml and a split."""
    for number, (picture, annotation) in enumerate(rows(data, "bccd")[:COUNT]):
        split = folder / ("train" if number % 5 else "valid")
        copied(data / "bccd" / picture, split / "images")
        width, height, found = boxes(data / "bccd" / annotation)
        lines = [
            f"{CELLS.index(c)} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} {(x2 - x1) / width:.6f} "
            f"{(y2 - y1) / height:.6f}\n"
            for c, x1, y1, x2, y2 in found
        ]
        (split / "labels").mkdir(exist_ok=True)
        (split / "labels" / f"{Path(picture).stem}.txt").write_text("".join(lines))
    (folder / "data.yaml").write_text(
        f"train: ../train/images\nval: ../valid/images\nnc: 3\nnames: [{', '.join(CELLS)}]\n"
    )


def cells_coco(data, folder):
    """COCO as Roboflow exports it: a table a split, beside its pictures."""
    tables = {split: {"images": [], "annotations": [], "categories": [
        {"id": i, "name": name} for i, name in enumerate(["cells", *CELLS])]} for split in ("train", "valid")}  # fmt: skip
    for number, (picture, annotation) in enumerate(rows(data, "bccd")[:COUNT]):
        split = "train" if number % 5 else "valid"
        copied(data / "bccd" / picture, folder / split)
        width, height, found = boxes(data / "bccd" / annotation)
        table = tables[split]
        table["images"].append(
            {"id": number, "file_name": Path(picture).name, "width": width, "height": height}
        )
        for c, x1, y1, x2, y2 in found:
            table["annotations"].append({"id": len(table["annotations"]), "image_id": number,
                                         "category_id": CELLS.index(c) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]})  # fmt: skip
    for split, table in tables.items():
        (folder / split / "_annotations.coco.json").write_text(json.dumps(table))


def cells_cvat(data, folder):
    """CVAT for images, boxes."""
    images = []
    for number, (picture, annotation) in enumerate(rows(data, "bccd")[:COUNT]):
        copied(data / "bccd" / picture, folder / "images")
        width, height, found = boxes(data / "bccd" / annotation)
        shapes = "".join(
            f'<box label="{c}" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}" z_order="0"></box>'
            for c, x1, y1, x2, y2 in found
        )
        images.append(
            f'<image id="{number}" name="{Path(picture).name}" width="{width}" height="{height}">{shapes}</image>'
        )
    (folder / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{"".join(images)}</annotations>'
    )


def people(data):
    """(picture, alpha) files, and where the person is."""
    for picture, alpha in rows(data, "portraits")[:COUNT]:
        files = data / "portraits" / picture, data / "portraits" / alpha
        yield *files, cv2.imread(str(files[1]), cv2.IMREAD_GRAYSCALE) > 127


def people_labelme(data, folder):
    """Labelme, outlines."""
    for picture, _, inside in people(data):
        copied(picture, folder)
        outlines, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1)
        shapes = [
            {"label": "person", "points": one[:, 0].tolist(), "shape_type": "polygon"}
            for one in outlines
            if cv2.contourArea(one) > 50
        ]
        raw = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": picture.name, "imageData": None,
               "imageHeight": inside.shape[0], "imageWidth": inside.shape[1]}  # fmt: skip
        (folder / f"{picture.stem}.json").write_text(json.dumps(raw))


def people_supervisely(data, folder):
    """Supervisely, bitmaps."""
    (folder / "ds/ann").mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"classes": [{"title": "person", "shape": "bitmap"}]}))
    for picture, _, inside in people(data):
        copied(picture, folder / "ds/img")
        file = io.BytesIO()
        Image.fromarray(np.dstack([inside * 255] * 4).astype(np.uint8)).save(file, "PNG")
        bitmap = {
            "origin": [0, 0],
            "data": base64.b64encode(zlib.compress(file.getvalue())).decode(),
        }
        raw = {"size": {"height": inside.shape[0], "width": inside.shape[1]}, "tags": [], "objects": [
            {"classTitle": "person", "geometryType": "bitmap", "bitmap": bitmap}]}  # fmt: skip
        (folder / f"ds/ann/{picture.name}.json").write_text(json.dumps(raw))


def people_alphas(data, folder):
    """Images beside alphas."""
    for picture, alpha, _ in people(data):
        copied(picture, folder / "images")
        (folder / "alphas").mkdir(exist_ok=True)
        shutil.copyfile(alpha, folder / "alphas" / f"{picture.stem}{alpha.suffix}")


def streets_colours(data, folder):
    """Images beside masks of colours, with a table of them."""
    labels = (data / "camvid/labels.txt").read_text().split()
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(COLOURS)] = COLOURS
    (folder / "masks").mkdir(parents=True)
    table = [f"{name},{r},{g},{b}" for name, (r, g, b) in zip(labels, COLOURS, strict=True)]
    (folder / "class_dict.csv").write_text("\n".join(["name,r,g,b", *table, "void,0,0,0"]))
    for picture, mask in rows(data, "camvid")[:COUNT]:
        copied(data / "camvid" / picture, folder / "images")
        values = np.array(Image.open(data / "camvid" / mask))
        Image.fromarray(colours[values]).save(folder / f"masks/{Path(picture).stem}.png")


MAKERS = (people_labelme, streets_colours, cells_cvat, waste_folders, cells_yolo, people_supervisely, people_alphas,
          cells_coco)  # fmt: skip


def compressed(data, out, options):
    """A row of what the one command made of a folder."""
    command = ["compress", "--data", str(data), "--target", "size=0.25", "--minutes", f"{options.minutes:g}",
               "--save_dir", str(out)]  # fmt: skip
    if data.name == "waste_folders" and options.weights:
        command += ["--weights", options.weights]
    begun = time.time()
    log = out.with_suffix(".txt")
    done = subprocess.run(
        [sys.executable, "-m", "paddleprune", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    log.write_text(f"{done.stdout}\n{done.stderr[-2000:]}")
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)}: exit code {done.returncode}; see {log}")
    before, after = json.loads((out / "report.json").read_text())["rows"]
    found = next(line for line in done.stdout.splitlines() if line.startswith("== ") and ": " in line)
    return {
        "layout": found[3:].split(":")[0], "task": found.split(": ")[1].split(",")[0], "folder": data.name,
        "minutes": round((time.time() - begun) / 60, 1), "before": before, "after": after,
        "files_mb": {p.name: round(p.stat().st_size / 1e6, 2) for p in sorted(out.glob("*/model_*.nb"))},
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with trashnet, bccd, camvid, portraits"
    )
    parser.add_argument("--save_dir", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--weights", default="", help="for the classifier to begin with")
    parser.add_argument("--json", required=True)
    options = parser.parse_args()
    made = options.save_dir / "rows.json"
    finished = json.loads(made.read_text()) if made.is_file() else []
    for maker in MAKERS:
        if any(row["folder"] == maker.__name__ for row in finished):
            continue
        folder = options.save_dir / maker.__name__
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        maker(options.data, folder)
        finished.append(compressed(folder, options.save_dir / f"{maker.__name__}_small", options))
        write_json(made, finished)
        print(finished[-1]["folder"], finished[-1]["minutes"], "minutes", flush=True)
    command = shlex.join(["python", "benchmarks/layouts.py", *sys.argv[1:]])
    write_json(options.json, {"command": command, **benchmark.machine(), "rows": finished})


if __name__ == "__main__":
    main()
