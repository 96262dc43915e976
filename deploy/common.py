"""What the Python clients share: options, the manifest, pre-processing and pictures.

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
from drawing import draw
from outputs import RESULTS

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


class Fault(Exception):
    """A mistake of the user: one line, exit code 2."""


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
    model = Model(options.model_dir, load(options.model_dir, manifest, options.threads))
    start = time.perf_counter()
    if Path(options.image).suffix.lower() in VIDEOS:
        count, what = process_video(model, options.image, options.save_dir), "frames"
    else:
        count, what = (
            len(process_pictures(model, options.image, options.save_dir, options.trimap)),
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


# pre-processing --------------------------------------------------------------------------


def preprocess(picture, transforms, trimap=None):
    """The manifest's transforms, one after the other -> float32 [H, W, 3], or 4 with the trimap."""
    image = picture
    for spec in transforms:
        if not isinstance(spec, str) and (not isinstance(spec, dict) or not spec):
            raise Fault(f"the manifest has a transform {spec!r:.80}, which is none; export again")
        name, arguments = (spec, {}) if isinstance(spec, str) else next(iter(spec.items()))
        if name == "TrimapChannel":
            if trimap is None:
                raise Fault("the model takes a trimap; give a grey picture of it with --trimap")
            image = np.concatenate([image, trimap[..., None]], axis=2)
            continue
        if name not in STEPS:
            raise Fault(f"the manifest asks for '{name}', which this client does not know")
        try:
            image = STEPS[name](image, **arguments)
            if trimap is not None and name != "Normalize":
                trimap = STEPS[name](trimap, **arguments)
        except (TypeError, ValueError, ZeroDivisionError, cv2.error) as error:
            reason = str(error).strip().splitlines()[0]
            raise Fault(
                f"the manifest's transform {name} cannot be done on this picture: {reason}"
            ) from error
    return image.astype(np.float32)


def resize(image, size):
    height, width = (size, size) if isinstance(size, int) else size
    return _resized(image, width, height)


def resize_by_short(image, size):
    height, width = image.shape[:2]
    scale = size / min(height, width)
    return _resized(image, max(size, round(width * scale)), max(size, round(height * scale)))


def center_crop(image, size):
    top, left = ((n - size) // 2 for n in image.shape[:2])
    return image[top : top + size, left : left + size]


def normalize(image, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)):
    return (image.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)


STEPS = {
    "Resize": resize,
    "ResizeByShort": resize_by_short,
    "CenterCrop": center_crop,
    "Normalize": normalize,
}


def _resized(image, width, height):
    shrinks = width * height < image.shape[0] * image.shape[1]
    kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    kind = cv2.INTER_NEAREST if image.ndim == 2 else kind  # a trimap
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=kind)


# pictures --------------------------------------------------------------------------------


def find_pictures(path):
    path = Path(path)
    found = [path] if path.is_file() else sorted(p for p in path.glob("*") if p.suffix.lower() in ENDINGS)
    if not found:
        raise Fault(f"'{path}' is no picture, no video and no folder of pictures")
    return found


def make_folder(save_dir, sources):
    """The folder for what is drawn; never the one that the pictures come from."""
    folder = Path(save_dir)
    if any(file.parent.resolve() == folder.resolve() for file in sources):
        raise Fault(f"--save_dir: '{folder}' holds the input itself; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def trimap_of(place, file, picture):
    """The trimap of a picture file, of the file or folder that --trimap names: float32 [H, W] of 0, 0.5 and 1."""
    place = Path(place)
    found = [place] if place.is_file() else sorted(place.glob(f"{file.stem}.*"))
    grey = cv2.imread(str(found[0]), cv2.IMREAD_GRAYSCALE) if found else None
    if grey is None or grey.shape != picture.shape[:2]:
        height, width = picture.shape[:2]
        raise Fault(f"--trimap: '{place}' has no readable trimap of {width}x{height} for '{file.name}'")
    return np.select([grey <= 5, grey >= 250], [np.float32(0), np.float32(1)], np.float32(0.5))


def process_pictures(model, path, save_dir, trimaps=None):
    """Draw each picture and write `results.json`; {file name: result}."""
    files = find_pictures(path)
    save_dir = make_folder(save_dir, files)
    stems = [file.stem for file in files]
    results, faults = {}, []
    for file in files:
        raw = read(file)
        if raw is None:
            faults.append(file)
            continue
        picture = cv2.cvtColor(raw, cv2.COLOR_BGR2RGB)
        result = model.result(picture, trimap_of(trimaps, file, picture) if trimaps else None)
        name = file.stem if stems.count(file.stem) == 1 else file.name
        cv2.imwrite(str(save_dir / f"{name}.png"), draw(picture, result)[..., ::-1])
        for key, value in result.items():
            if isinstance(value, np.ndarray):
                result[key] = f"{name}_{key}.png"
                cv2.imwrite(str(save_dir / result[key]), value)
        results[file.name] = result
    text = json.dumps(results, indent=1, ensure_ascii=False)
    (save_dir / "results.json").write_text(text, encoding="utf-8")
    if faults:
        raise Fault(
            f"'{faults[0]}' is not a readable picture ({len(faults)} of {len(files)})"
            + ("; the others are done" if results else "")
        )
    return results


def read(file):
    """A picture file -> uint8 BGR, or None."""
    try:
        return cv2.imread(str(file), cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels than OpenCV takes
        return None


def process_video(model, path, save_dir):
    """Draw each frame of a video into `<name>.mp4`; how many frames there were."""
    source = cv2.VideoCapture(str(path))
    if not source.isOpened():
        raise Fault(f"'{path}' is not a readable video")
    save_dir = make_folder(save_dir, [Path(path)])
    size = tuple(int(source.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    rate = source.get(cv2.CAP_PROP_FPS) or 25
    target = cv2.VideoWriter(
        str(save_dir / f"{Path(path).stem}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), rate, size
    )
    count = 0
    while True:
        more, frame = source.read()
        if not more:
            break
        picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        target.write(cv2.cvtColor(draw(picture, model.result(picture)), cv2.COLOR_RGB2BGR))
        count += 1
    target.release()
    return count
