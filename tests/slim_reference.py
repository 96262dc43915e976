"""PaddleSlim's answers, from a process of its own: `python slim_reference.py JOB.json`.

PaddleSlim 2.6 traces to the legacy form of programs, which Paddle 3 must be told before it is
imported, and calls one function by its old name.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


def ask(folder: Path, **job) -> dict:
    """Run PaddleSlim on a job; `folder` is for its files. Returns the answer."""
    (folder / "job.json").write_text(json.dumps({**job, "folder": str(folder)}))
    environment = {**os.environ, "FLAGS_enable_pir_api": "0", "GLOG_minloglevel": "2"}
    command = [sys.executable, __file__, str(folder / "job.json")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "answer.json").read_text())


def main(job: dict) -> dict:
    import numpy as np
    import paddle
    from paddle.base.dygraph import base as dygraph

    dygraph._to_static_mode_guard_ = dygraph.to_static_mode_guard
    from paddleslim.dygraph import L1NormFilterPruner

    from paddleprune import models
    from paddleprune.engine.checkpoint import put_weights, read_weights

    network = models.build(job["model"], job["args"])
    if "weights" in job:
        assert not put_weights(network, read_weights(job["weights"]))
    network.eval()
    ours = {p.name: n for n, p in network.named_parameters()}
    theirs = {n: p for p, n in ours.items()}
    pruner = L1NormFilterPruner(network, [1, *job["shape"]])
    if job["what"] == "groups":
        plans = {n: pruner.prune_var(theirs[n], 0, 0.5, apply=None) for n in job["names"]}
        return {
            name: sorted((ours[v], m.dims) for v, masks in plan.masks.items() if v in ours for m in masks)
            for name, plan in plans.items()
        }
    images = paddle.to_tensor(np.load(job["images"]))
    pickle = Path(job["folder"]) / "sensitivities.pickle"
    wanted = [theirs[n] for n in job["names"]]
    table = pruner.sensitive(lambda: float(network(images).square().mean()), str(pickle), target_vars=wanted)
    return {"sensitivities": {ours[n]: curve for n, curve in table.items()}, "pickle": str(pickle)}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    asked = json.loads(Path(sys.argv[1]).read_text())
    (Path(asked["folder"]) / "answer.json").write_text(json.dumps(main(asked)))
