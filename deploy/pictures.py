"""Pictures, folders of them and videos, drawn by the Python clients."""

import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from drawing import PLAIN, covering, draw
from faults import Fault

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


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


def background_of(text):
    """R,G,B or the name of a picture file -> what `draw` takes; of an empty text the plain one."""
    if not text:
        return PLAIN
    parts = text.split(",")
    if len(parts) == 3 and all(part.strip().isdecimal() and int(part) < 256 for part in parts):
        return tuple(int(part) for part in parts)
    raw = read(text, cv2.IMREAD_UNCHANGED) if Path(text).is_file() else None
    if raw is None or raw.dtype != np.uint8:
        raise Fault(
            f"--background: '{text}' is no colour and no readable picture; give R,G,B as 255,255,255, or a file"
        )
    if raw.ndim == 3 and raw.shape[2] == 4:  # where one looks through it, there is the plain one
        alpha = raw[..., 3:] / 255
        return (alpha * raw[..., 2::-1] + (1 - alpha) * np.float64(PLAIN)).round().astype(np.uint8)
    return cv2.cvtColor(raw, cv2.COLOR_GRAY2RGB if raw.ndim == 2 else cv2.COLOR_BGR2RGB)


def counted(items, count, what):
    """The items; which one it is, and how long the rest will take, on a terminal after two seconds."""
    start = time.perf_counter()
    shown = False
    try:
        for number, item in enumerate(items):
            yield item
            seconds = time.perf_counter() - start
            if seconds <= 2 or not sys.stderr.isatty():
                continue
            rest = f", {seconds * (count - number - 1) / (number + 1):.0f} s to go" if count > number else ""
            print(
                f"\r{number + 1} of {max(count, number + 1)} {what}{rest}  ",
                end="",
                file=sys.stderr,
                flush=True,
            )
            shown = True
    finally:
        if shown:
            print(file=sys.stderr)


def trimap_of(place, file, picture):
    """The trimap of a picture file, of the file or folder that --trimap names: float32 [H, W] of 0, 0.5 and 1."""
    place = Path(place)
    found = [place] if place.is_file() else sorted(place.glob(f"{file.stem}.*"))
    grey = cv2.imread(str(found[0]), cv2.IMREAD_GRAYSCALE) if found else None
    if grey is None or grey.shape != picture.shape[:2]:
        height, width = picture.shape[:2]
        raise Fault(f"--trimap: '{place}' has no readable trimap of {width}x{height} for '{file.name}'")
    return np.select([grey <= 5, grey >= 250], [np.float32(0), np.float32(1)], np.float32(0.5))


def process_pictures(model, path, save_dir, trimaps=None, background=PLAIN):
    """Draw each picture and write `results.json`; {file name: result}."""
    files = find_pictures(path)
    save_dir = make_folder(save_dir, files)
    stems = [file.stem for file in files]
    results, faults = {}, []
    for file in counted(files, len(files), "pictures"):
        raw = read(file)
        if raw is None:
            faults.append(file)
            continue
        picture = cv2.cvtColor(raw, cv2.COLOR_BGR2RGB)
        result = model.result(picture, trimap_of(trimaps, file, picture) if trimaps else None)
        name = file.stem if stems.count(file.stem) == 1 else file.name
        cv2.imwrite(str(save_dir / f"{name}.png"), draw(picture, result, background)[..., ::-1])
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


def read(file, kind=cv2.IMREAD_COLOR):
    """A picture file -> uint8 BGR, or as `kind` says, or None."""
    try:
        return cv2.imread(str(file), kind)
    except cv2.error:  # more pixels than OpenCV takes
        return None


def process_video(model, path, save_dir, background=PLAIN):
    """Draw each frame of a video into `<name>.mp4`, which has that name when the input ended; how many frames there were."""
    source = cv2.VideoCapture(str(path))
    if not source.isOpened():
        raise Fault(f"'{path}' is not a readable video")
    folder = make_folder(save_dir, [Path(path)])
    size = tuple(int(source.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    rate, length = source.get(cv2.CAP_PROP_FPS), int(source.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = rate if 1 <= rate <= 240 else 25  # what else a file says is wrong, or cannot be written
    if not isinstance(background, tuple):
        background = covering(background, size[::-1])
    unfinished = folder / f"{Path(path).stem}.unfinished.mp4"
    target = cv2.VideoWriter(str(unfinished), cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    if not target.isOpened():
        raise Fault(
            f"--save_dir: '{folder}' takes no video of {size[0]}x{size[1]} at {rate:g} frames a second"
        )
    count = 0
    try:
        for frame in counted(frames(source), length, "frames"):
            picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            drawn = draw(picture, model.result(picture), background)
            target.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
            count += 1
        if not count:
            raise Fault(f"'{path}' has no frame that can be read")
    except BaseException:
        target.release()
        unfinished.unlink(missing_ok=True)
        raise
    target.release()
    if count < length:
        print(f"'{path}' says that it has {length} frames, {count} could be read", file=sys.stderr)
    unfinished.replace(folder / f"{Path(path).stem}.mp4")
    return count


def frames(source):
    while True:
        more, frame = source.read()
        if not more:
            return
        yield frame
