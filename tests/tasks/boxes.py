"""Are a detector's boxes the same in another runtime?"""

import numpy as np
import paddle

from paddleprune import tasks
from paddleprune.export import formats


def assert_same_boxes(network, model, form, classes):
    """Of two pictures of 64 px, by a network in evaluation mode that finds some."""
    task = tasks.of("detection", model, list("abcdef"[:classes]))
    deployed = task.head.deployed(network)
    deployed.eval()
    images = np.random.default_rng(0).random((2, 3, 64, 64)).astype("float32")
    made = formats.make(form, deployed, (3, 64, 64), ["x86"])
    with paddle.no_grad():
        mine = [t.numpy() for t in deployed(paddle.to_tensor(images))]
    found = task.agreement(mine, made.forward(images)[0])
    assert mine[1].sum() >= 5
    assert found.same == found.decided
