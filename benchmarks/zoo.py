"""Public networks that were not written for us: what is found in each, and whether the laws hold.

python benchmarks/zoo.py --json benchmarks/results/zoo.json

Each network has a process of its own; a file that was begun is gone on with. `--only NAME` for one of them.
`python benchmarks/zoo.py --json FILE --table` prints the table of the docs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("GLOG_minloglevel", "2")

RATIO, SECONDS = 0.3, 900
VISION = {
    **dict.fromkeys(
        """alexnet vgg11 vgg16 resnet18 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 googlenet mobilenet_v1
        mobilenet_v2 mobilenet_v3_small mobilenet_v3_large squeezenet1_0 squeezenet1_1 shufflenet_v2_x0_25
        shufflenet_v2_x1_0 shufflenet_v2_swish LeNet""".split(),
        224,
    ),
    "inception_v3": 299,
}
RESNET, STDC, HRNET = ({"name": f"paddleseg.{name}"} for name in ("ResNet50_vd", "STDC1", "HRNet_W18"))
KERNEL = {
    "num_classes": 3, "num_ffn_fcs": 2, "num_heads": 8, "num_mask_fcs": 1, "feedforward_channels": 2048,
    "in_channels": 512, "out_channels": 512, "dropout": 0.0, "conv_kernel_size": 1, "ffn_act_cfg": {"type": "ReLU"},
    "with_ffn": True, "feat_transform_cfg": {"act_cfg": None},
    "kernel_updator_cfg": {"in_channels": 256, "feat_channels": 256, "out_channels": 256},
}  # fmt: skip
# name -> arguments beside num_classes; image size where it is not 128
SEG: dict[str, tuple[dict[str, Any], int]] = {
    "ANN": ({"backbone": RESNET}, 128),
    "AttentionUNet": ({}, 128),
    "BiSeNetV2": ({}, 128),
    "BiseNetV1": ({"backbone": {"name": "paddleseg.ResNet18_vd", "output_stride": 32}}, 128),
    "CCNet": ({"backbone": RESNET}, 128),
    "DANet": ({"backbone": RESNET, "backbone_indices": [2, 3]}, 128),
    "DDRNet_23": ({}, 128),
    "DMNet": ({"backbone": RESNET}, 128),
    "DNLNet": ({"backbone": RESNET}, 128),
    "DecoupledSegNet": ({"backbone": RESNET}, 128),
    "DeepLabV3": ({"backbone": RESNET}, 128),
    "DeepLabV3P": ({"backbone": RESNET}, 128),
    "EMANet": ({"backbone": RESNET}, 128),
    "ENCNet": ({"backbone": RESNET}, 128),
    "ENet": ({}, 128),
    "ESPNetV1": ({"num_classes": 19}, 128),
    "ESPNetV2": ({}, 128),
    "FCN": ({"backbone": HRNET}, 128),
    "FastFCN": ({"backbone": RESNET}, 128),
    "FastSCNN": ({}, 128),
    "GCNet": ({"backbone": RESNET}, 128),
    "GINet": ({"backbone": RESNET}, 128),
    "GSCNN": ({"backbone": RESNET}, 128),
    "GloRe": ({"backbone": RESNET}, 128),
    "HarDNet": ({}, 128),
    "ISANet": ({"backbone": RESNET}, 128),
    "KNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3], "kernel_update_head_params": KERNEL,
              "kernel_generate_head_params": {"num_convs": 2, "concat_input": True}}, 128),
    "LRASPP": ({"backbone": {"name": "paddleseg.MobileNetV3_large_x1_0"}}, 128),
    "LinearSegmenter": ({"backbone": {"name": "paddleseg.VisionTransformer", "img_size": 128, "depth": 3}}, 128),
    "MLATransformer": ({"backbone": {"name": "paddleseg.VisionTransformer", "img_size": 128, "depth": 12},
                        "in_channels": [768] * 4}, 128),
    "MobileSeg": ({"backbone": {"name": "paddleseg.MobileNetV2_x1_0"}}, 128),
    "OCRNet": ({"backbone": HRNET, "backbone_indices": [0]}, 128),
    "PFPNNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3], "channels": 256}, 128),
    "PPHumanSegLite": ({}, 128),
    "PPLiteSeg": ({"backbone": STDC}, 128),
    "PPMobileSeg": ({"backbone": {"name": "paddleseg.MobileSeg_Tiny"}}, 128),
    "PSPNet": ({"backbone": RESNET}, 128),
    "PointRend": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3]}, 128),
    "PortraitNet": ({"backbone": {"name": "paddleseg.MobileNetV2_x1_0"}}, 128),
    "RTFormer": ({}, 128),
    "SFNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3]}, 128),
    "SINet": ({}, 128),
    "STDCSeg": ({"backbone": STDC}, 128),
    "SegFormer": ({"backbone": {"name": "paddleseg.MixVisionTransformer_B0"}, "embedding_dim": 256}, 128),
    "SegNeXt": (
        {
            "backbone": {"name": "paddleseg.MSCAN_T"},
            "decoder_cfg": {"ham_channels": 256, "channels": 256, "ham_kwargs": {"MD_R": 16}},
        },
        128,
    ),
    "SegNet": ({}, 128),
    "SegmentationTransformer": ({"backbone": {"name": "paddleseg.VisionTransformer", "img_size": 128, "depth": 4},
                                 "backbone_indices": [0, 1, 2, 3], "head": "naive"}, 128),
    "TopFormer": ({"backbone": {"name": "paddleseg.TopTransformer_Tiny"}}, 128),
    "U2Net": ({}, 64),
    "U2Netp": ({}, 64),
    "UNet": ({}, 128),
    "UNet3Plus": ({}, 64),
    "UNetPlusPlus": ({}, 64),
    "UPerNet": ({"backbone": RESNET, "backbone_indices": [0, 1, 2, 3]}, 128),
}  # fmt: skip
NETWORKS = {
    **{f"paddle.vision.{name}": ({}, size) for name, size in VISION.items()},
    **{f"paddleseg.{name}": found for name, found in SEG.items()},
}


def measure(name: str) -> dict[str, Any]:
    """The row of a network."""
    import numpy as np
    import paddle

    from paddleprune import cost, models
    from paddleprune.graph.example import Example, outputs_of
    from paddleprune.graph.pir import graph_of
    from paddleprune.pruning import criteria
    from paddleprune.pruning.groups import find_groups
    from paddleprune.pruning.measure import PlainEngine
    from paddleprune.pruning.narrow import narrow
    from paddleprune.pruning.plan import make_plan
    from paddleprune.pruning.replay import ReplayEngine
    from paddleprune.pruning.surgery import masked

    args, size = NETWORKS[name]
    channels = 1 if name.endswith("LeNet") else 3
    shape = (channels, 28, 28) if channels == 1 else (channels, size, size)
    paddle.seed(0)
    row: dict[str, Any] = {"network": name, "shape": list(shape)}
    example = Example(shape)
    try:
        network = models.build(name, {"num_classes": 3, **args})
        network.eval()
        randomize(network)
        outputs = lambda net: [o.numpy() for o in outputs_of(net(*example.values()))]  # noqa: E731
        with paddle.no_grad():
            outputs(network)
    except Exception as error:
        return {**row, "dense": last_line(error)}
    start = time.perf_counter()
    groups = find_groups(network, example)
    row["seconds"] = round(time.perf_counter() - start, 1)
    held = {s.parameter for g in groups.values() for s in g.slots if s.role != "in"}
    owed = [n for n, p in network.named_parameters() if p.ndim > 1]
    ours = [n for n in groups.layers if groups.reasons.get(n) != "its channels are the network's output"]
    row |= {
        "groups": len(groups), "layers": len(ours), "grouped": sum(n in held for n in ours),
        "silent": sum(n not in held and not groups.reasons.get(n) for n in owed),
        "reasons": sorted({groups.reasons[n] for n in ours if n in groups.reasons}),
    }  # fmt: skip
    scores = criteria.scores("l1_norm", groups, network)
    plan = make_plan(groups, dict.fromkeys(groups, RATIO), scores)
    dense = groups.cost()
    row["dense_predicted"] = dense == cost.count(network, example)
    row["exports"] = legacy_program(network, shape)
    if groups:
        row |= replay_and_plain(network, example, groups, scores, PlainEngine, ReplayEngine, graph_of)
    with paddle.no_grad(), masked(network, groups, plan):
        expected = outputs(network)
    narrow(network, plan, example, groups, check=False)
    network.eval()
    with paddle.no_grad():
        found = outputs(network)
    row["difference"] = max(
        float(np.abs(a - b).max() / max(1e-9, float(np.abs(a).max())))
        for a, b in zip(expected, found, strict=True)
    )
    row["predicted"] = groups.cost(plan.counts()) == cost.count(network, example)
    row["params_left"] = round(groups.cost(plan.counts()).params / dense.params, 4)
    network.train()
    try:
        total = sum(o.square().mean() for o in outputs_of(network(*example.values())))
        total.backward()
        row["backward"] = True
    except Exception as error:
        row["backward"] = last_line(error)
    return row


def legacy_program(network, shape) -> bool | str:
    """Has the network the legacy program that every export format starts from?"""
    from paddleprune.graph.legacy import legacy_graph_of

    try:
        legacy_graph_of(network, shape)
    except Exception as error:
        return last_line(error)
    return True


def replay_and_plain(network, example, groups, scores, plain, replay, graph_of) -> dict[str, Any]:
    """Does replay say what a whole evaluation says, for the group in the middle?"""
    import numpy as np

    from paddleprune.engine.evaluate import forward_of
    from paddleprune.pruning.plan import make_plan

    images = example.values()[0].numpy()
    energy = lambda outputs: float(np.square(outputs[0]).mean())  # noqa: E731
    name = list(groups)[len(groups) // 2]
    plans = [make_plan(groups, {name: 0.5}, scores)]
    if not plans[0].kept:
        return {}
    (wanted,) = plain(network, groups, lambda: energy(forward_of(network)(images)[0])).points(name, plans)
    answers = {}
    for onednn in (True, False):
        try:
            graph = graph_of(network, example.specs(), example.call)
            engine = replay(
                groups, lambda f, n: [energy(o) for o in f(images)], 1, onednn, len(images), graph
            )
            (found,) = engine.points(name, plans)
            answers[onednn] = abs(found - wanted) / max(1e-12, abs(wanted))
        except Exception as error:
            answers[onednn] = last_line(error)
        if isinstance(answers[onednn], float) and answers[onednn] < 1e-3:
            return {"replay": "oneDNN" if onednn else "no oneDNN", "replay_difference": answers[onednn]}
    return {"replay": f"plain ({answers})"}


def randomize(network) -> None:
    """Random weights and statistics, so that no channel is trivial."""
    import numpy as np

    rng = np.random.default_rng(0)
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if "_variance" in name:
            value = rng.uniform(0.5, 2.0, tensor.shape)
        elif tensor.ndim > 1:
            value = rng.normal(0, 1 / np.sqrt(np.prod(tensor.shape[1:])), tensor.shape)
        else:
            value = rng.uniform(0.1, 0.9, tensor.shape)
        tensor.set_value(value.astype(str(tensor.dtype).removeprefix("paddle.")))


def slim(name: str) -> dict[str, Any]:
    """What PaddleSlim does with the same network: the fraction of parameters left, or why there is none."""
    import numpy as np
    import paddle
    from paddle.base.dygraph import base as dygraph

    dygraph._to_static_mode_guard_ = dygraph.to_static_mode_guard
    from paddleslim.dygraph import L1NormFilterPruner

    from paddleprune import models

    args, size = NETWORKS[name]
    shape = [1, 1, 28, 28] if name.endswith("LeNet") else [1, 3, size, size]
    network = models.build(name, {"num_classes": 3, **args})
    network.eval()
    count = lambda: sum(int(np.prod(p.shape)) for p in network.parameters())  # noqa: E731
    dense = count()
    try:
        pruner = L1NormFilterPruner(network, shape)
        pruner.prune_vars({p.name: RATIO for p in network.parameters() if p.ndim == 4}, 0)
        with paddle.no_grad():
            network(paddle.rand(shape))
    except Exception as error:
        return {"slim": last_line(error)}
    return {"slim": round(count() / dense, 4)}


def last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {(lines or [''])[-1]}"[:200]


def in_a_process(name: str, what: str) -> dict[str, Any]:
    """A row, or part of one; a crash or too long a time is one, too."""
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:
        command = [sys.executable, __file__, "--one", name, "--what", what, "--json", answer.name]
        environment = {**os.environ, **({"FLAGS_enable_pir_api": "0"} if what == "slim" else {})}
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return {what if what == "slim" else "failed": f"more than {SECONDS} s"}
        if done.returncode:
            said = [line for line in done.stderr.strip().splitlines() if line.strip()] or [""]
            return {what if what == "slim" else "failed": f"exit {done.returncode}: {said[-1][:200]}"}
        return json.loads(Path(answer.name).read_text())


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| network | groups | layers grouped | left at 0.3 | narrow = masked | cost exact | trains | replay | exports | s | PaddleSlim leaves |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "groups" not in row:
            why = row.get("failed", row.get("dense", "")).replace("|", "/")
            lines.append(
                f"| {row['network']} | {'not run dense' if 'dense' in row else 'failed'}: {why[:80]} | | | | | | | | |"
            )
            continue
        slims = row.get("slim")
        lines.append(
            f"| {row['network']} | {row['groups']} | {row['grouped']} of {row['layers']} | {row['params_left']:.2f} | "
            f"{row['difference']:.0e} | {'yes' if row['predicted'] and row['dense_predicted'] else 'no'} | "
            f"{'yes' if row['backward'] is True else 'no'} | {str(row.get('replay', '')).split(' (')[0]} | "
            f"{ {True: 'yes', None: ''}.get(row.get('exports'), 'no') } | {row['seconds']} | "
            f"{f'{slims:.2f}' if isinstance(slims, float) else '' if slims is None else 'fails'} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", required=True)
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    parser.add_argument("--without_slim", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--what", help=argparse.SUPPRESS)
    options = parser.parse_args()
    file = Path(options.json)
    if options.one:
        file.write_text(json.dumps((slim if options.what == "slim" else measure)(options.one)))
        return
    from paddleprune.benchmark import machine
    from paddleprune.files import write_json

    known = json.loads(file.read_text())["rows"] if file.exists() and file.stat().st_size else []
    if options.table:
        print(table(known))
        return
    rows = {row["network"]: row for row in known}
    for name in options.only:
        if name in rows and (options.without_slim or "slim" in rows[name]):
            continue
        row = rows.get(name) or {"network": name, **in_a_process(name, "ours")}
        if not options.without_slim and "dense" not in row:
            row |= in_a_process(name, "slim")
        rows[name] = row
        ordered = [rows[n] for n in NETWORKS if n in rows]
        write_json(
            file,
            {"command": "python benchmarks/zoo.py " + " ".join(sys.argv[1:3]), **machine(), "rows": ordered},
        )
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
