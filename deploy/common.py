"""What the Python clients share: options and the manifest.

Needs numpy and OpenCV, and nothing of the package that made the model: all it knows of the model is
in `manifest.json`.
"""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from faults import Fault
from outputs import RESULTS
from pictures import VIDEOS, background_of, process_pictures, process_video
from preprocess import preprocess


class Model:
    """A folder with a manifest, and `run`: images [N, C, H, W] -> list of outputs."""

    def __init__(self, folder, run):
        self.folder, self.run = Path(folder), run
        self.manifest = read_manifest(folder)
        self.task, self.labels = self.manifest["task"], self.manifest["labels"]

    def result(self, picture, trimap=None):
        """uint8 RGB [H, W, 3], and a trimap float32 [H, W] where the model takes one -> what it says of it; maps
        have the picture's size."""
        image = preprocess(picture, self.manifest["transforms"], trimap)
        height, width = self.manifest["input"]["shape"][2:]
        if image.shape[:2] != (height, width):  # a runtime may not check, but crash
            raise Fault(
                f"the manifest's transforms make {image.shape[0]}x{image.shape[1]} of this picture, the network "
                f"takes {height}x{width}; give pictures of that size, or train with a Resize in eval_transforms"
            )
        try:
            outputs = self.run(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
            return RESULTS[self.task](outputs, self.labels, picture.shape[1::-1])
        except (SystemError, RuntimeError, ValueError, IndexError, TypeError, cv2.error) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise Fault(
                f"the model does not do what '{self.folder}/manifest.json' says ({reason}); export again"
            ) from error


def main(text, load, kind):
    """A client's command. `load(folder, manifest, threads)` gives a function from images [N, 3, H, W] to a
    list of outputs; `kind` is the export that it reads."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model_dir", required=True, help=f"--save_dir of tools/export.py --format {kind}")
    parser.add_argument("--image", required=True, help="a picture, a folder of pictures, or a video")
    parser.add_argument("--trimap", help="grey, of the picture's size: 0 background, 128 unknown, 255 foreground;\n"
                        "a picture, or a folder of them named as the pictures; for models that take one")  # fmt: skip
    parser.add_argument("--background", default="", help="what a cut-out is put on: R,G,B as 255,255,255, or a picture\n"
                        "(default: green)")  # fmt: skip
    parser.add_argument("--save_dir", required=True, help="folder for the drawn pictures or the video")
    parser.add_argument("--threads", type=int, default=0, help="0 = as many as the runtime likes")
    options = parser.parse_args()
    try:
        for name in ("model_dir", "image", "save_dir"):
            if not getattr(options, name).strip():
                raise Fault(f"--{name}: '' is no path; give a file or folder")
        if not 0 <= options.threads <= 1024:
            raise Fault(f"--threads: {options.threads} is out of range; it must be 0 to 1024")
        run(options, load, kind)
    except Fault as fault:
        print(f"{parser.prog}: {fault}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(
            f"{parser.prog}: {error.strerror}: '{error.filename}'; mend that and run again", file=sys.stderr
        )
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; what was drawn is in {options.save_dir}", file=sys.stderr)
        raise SystemExit(130) from None


def run(options, load, kind):
    """What `main` does with its options."""
    manifest = read_manifest(options.model_dir)
    if manifest["export"] != kind:
        raise Fault(
            f"'{options.model_dir}' is an export of format '{manifest['export']}'; give one of '{kind}'"
        )
    if options.trimap and not any("TrimapChannel" in str(spec) for spec in manifest["transforms"]):
        raise Fault("--trimap: this model takes none; leave it out")
    if options.background and manifest["task"] != "matting":
        raise Fault("--background: this model cuts nothing out; leave it out")
    background = background_of(options.background)
    model = Model(options.model_dir, load(options.model_dir, manifest, options.threads))
    start = time.perf_counter()
    if Path(options.image).suffix.lower() in VIDEOS:
        count, what = process_video(model, options.image, options.save_dir, background), "frames"
    else:
        count, what = (
            len(process_pictures(model, options.image, options.save_dir, options.trimap, background)),
            "pictures",
        )
    seconds = time.perf_counter() - start
    print(f"{count} {what} in {seconds:.1f} s ({count / seconds:.1f} a second), in {options.save_dir}")


def read_manifest(folder):
    path = Path(folder) / "manifest.json"
    if not path.is_file():
        raise Fault(f"'{folder}' has no manifest.json; pass the --save_dir of tools/export.py")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        kinds = {"export": str, "task": str, "labels": list, "files": dict, "input": dict, "outputs": list,
                 "transforms": list}  # fmt: skip
        for key, kind in kinds.items():
            if not isinstance(manifest[key], kind):
                raise ValueError(f"'{key}' is {manifest[key]!r:.80}")
        shape = manifest["input"]["shape"]
        if len(shape) != 4 or not all(type(n) is int and 0 < n <= 16384 for n in shape):
            raise ValueError(f"'input.shape' is {shape!r:.80}")
        if not isinstance(manifest["input"]["name"], str):
            raise ValueError(f"'input.name' is {manifest['input']['name']!r:.80}")
        if manifest["task"] not in RESULTS:
            raise ValueError(f"'task' is {manifest['task']!r:.80}")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Fault(f"'{path}' is damaged ({error}); export again") from error
    return manifest


def file_of(folder, name, manifest):
    """The path of a file of the export, which is what the manifest says: a runtime crashes on what is not."""
    path, facts = Path(folder) / name, manifest["files"].get(name)
    if not path.is_file():
        raise Fault(f"'{path}' does not exist; copy it there, or export again")
    if not isinstance(facts, dict) or path.stat().st_size != facts.get("size_bytes"):
        raise Fault(f"'{path}' has {path.stat().st_size} bytes, not those of the manifest; copy both again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != facts.get("sha256"):
        raise Fault(f"'{path}' is not the file that the manifest is of; copy both again")
    return str(path)
