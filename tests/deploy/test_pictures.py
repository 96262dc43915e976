"""What the clients make of videos and backgrounds."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "deploy"))
from drawing import PLAIN, draw
from faults import Fault
from pictures import background_of, process_video


def test_a_video_that_breaks_off_leaves_nothing(tmp_path):
    class Broken:
        """Says what it sees twice."""

        frames = 0

        def result(self, picture):
            self.frames += 1
            if self.frames == 3:
                raise KeyboardInterrupt
            return {"alpha": np.full(picture.shape[:2], 255, np.uint8)}

    (tmp_path / "out").mkdir()
    (tmp_path / "out/some.mp4").write_text("an older one")
    for name, frames in (("none.avi", 0), ("some.avi", 3)):
        video = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
        for _ in range(frames):
            video.write(np.zeros((64, 64, 3), np.uint8))
        video.release()
        with pytest.raises((Fault, KeyboardInterrupt)) as caught:
            process_video(Broken(), tmp_path / name, tmp_path / "out")
        assert frames or "no frame" in str(caught.value) or "not a readable video" in str(caught.value)
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ["an older one"]


def test_a_cut_out_is_put_on_a_colour_or_a_picture(tmp_path):
    picture = np.full((4, 6, 3), 200, np.uint8)
    alpha = np.zeros((4, 6), np.uint8)
    alpha[:, 3:] = 255
    on_colour = draw(picture, {"alpha": alpha}, background_of("1, 2,3"))
    assert (on_colour[:, :3] == (1, 2, 3)).all()
    assert (on_colour[:, 3:] == 200).all()
    # Of a picture twice as wide as it must be, a quarter goes at each end.
    wide = np.repeat(np.arange(24, dtype=np.uint8)[None, :, None], 8, axis=0).repeat(3, axis=2)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    on_picture = draw(picture, {"alpha": alpha * 0}, background_of(str(tmp_path / "wide.png")))
    assert on_picture.shape == picture.shape
    half = cv2.resize(wide, (12, 4), interpolation=cv2.INTER_AREA)
    assert (on_picture == half[:, 3:9]).all()
    narrow = draw(
        np.zeros((90, 160, 3), np.uint8), {"alpha": np.zeros((90, 160), np.uint8)}, wide[:, :1].repeat(99, 0)
    )
    assert narrow.shape == (90, 160, 3)
    glass = np.zeros((4, 6, 4), np.uint8)
    glass[..., :3] = 9
    glass[:2, :, 3] = 255
    cv2.imwrite(str(tmp_path / "glass.png"), glass)
    seen = background_of(str(tmp_path / "glass.png"))
    assert (seen[:2] == 9).all()
    assert (seen[2:] == PLAIN).all()
    assert background_of("") == PLAIN
