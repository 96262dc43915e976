"""What a network's outputs say of a picture of `size` (width, height), by task."""

import cv2
import numpy as np

SHOWN = 0.3  # score of a box that is reported


def classes_of(outputs, labels, size):
    scores = outputs[0].reshape(-1)
    best = np.argsort(-scores, kind="stable")[:5]
    return {"top": [{"label": labels[i], "index": int(i), "score": round(float(scores[i]), 6)} for i in best]}


def mask_of(outputs, labels, size):
    mask = cv2.resize(outputs[0][0].argmax(0).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return {"mask": mask}


def alpha_of(outputs, labels, size):
    matte = cv2.resize(np.clip(outputs[0][0, 0], 0, 1), size, interpolation=cv2.INTER_LINEAR)
    return {"alpha": np.round(255 * matte).astype(np.uint8)}


def boxes_of(outputs, labels, size):
    count = int(np.asarray(outputs[1]).reshape(-1)[0])
    rows = outputs[0].reshape(-1, 6)[:count]
    rows = rows[rows[:, 1] >= SHOWN]
    return {
        "boxes": [
            {"label": labels[int(row[0])], "index": int(row[0]), "score": round(float(row[1]), 6),
             "box": [round(float(v), 2) for v in row[2:] * np.array([*size, *size])]}
            for row in rows[np.argsort(-rows[:, 1], kind="stable")]
        ]
    }  # fmt: skip


RESULTS = {
    "classification": classes_of,
    "detection": boxes_of,
    "segmentation": mask_of,
    "matting": alpha_of,
}
