"""Write the result tables of README.md and docs/ from the JSON files in benchmarks/results/.

    python benchmarks/tables.py            rewrites them
    python benchmarks/tables.py --check    exit code 1 if one would change

A table stands between `<!-- table: NAME -->` and `<!-- end -->`, NAME.json being its results file.
"""

import argparse
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from paddleprune.report import compression_table, scale_of, sweep_table

sys.path.insert(0, str(ROOT / "benchmarks"))
from zoo import table as zoo_table

BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(name: str) -> str:
    """Markdown of one results file: the table, then the machine and the command."""
    result = json.loads((ROOT / "benchmarks/results" / f"{name}.json").read_text())
    kinds = {"compression": compression_table, "speed": speed_table, "scaling": scaling_table,
             "sweep": sweep_table, "quant": quant_table, "zoo": zoo_table, "oneshot": oneshot_table,
             "training": step_table, "published": published_table, "summary": summary_table,
             "compress": compress_table, "seeds": seeds_table, "epochs": epochs_table}  # fmt: skip
    body = kinds[name.split("_")[0]](result["rows"])
    if "command" not in result:  # it was read, or put together
        return f"{body}\n"
    return f"{body}\n\n{result['machine']}, {result['date']}: `{result['command']}`\n"


def speed_table(rows: list[dict]) -> str:
    """Engines side by side; the factor is PaddleSlim's time per image and point over ours."""
    first = next(row for row in rows if row["engine"] == "paddleslim")
    head = "| engine | images | points | evaluated | seconds | ms per image and point | faster | max difference |"
    lines = [head, "|---" * 8 + "|"]
    for row in rows:
        factor = first["ms_per_image_point"] / row["ms_per_image_point"]
        lines.append(
            f"| {row['engine']} | {row['images']} | {row['points']} | {row['evaluated']} | {row['seconds']:.1f} "
            f"| {row['ms_per_image_point']:.2f} | {factor:.1f}x | {row['max_abs_diff']:g} |"
        )
    return "\n".join(lines)


def step_table(rows: list[dict]) -> str:
    """Seconds of a training step: Paddle's, with our depthwise convolutions, with all that we do."""
    head = "| network | pixels | batch | Paddle's, s | our depthwise convolutions, s | all, s | faster |"
    lines = [head, "|---" * 7 + "|"]
    for row in rows:
        name = f"{row['model']} {row['scale']:g}" if "scale" in row else row["model"]
        name += ", taught by a whole one" if row.get("taught") else ""
        times = " | ".join(f"{row['seconds'][way]:.2f}" for way in ("paddle", "depthwise", "ours"))
        lines.append(f"| {name} | {row['pixels']} | {row['batch']} | {times} | {row['faster']:.1f}x |")
    return "\n".join(lines)


def scaling_table(rows: list[dict]) -> str:
    """Time by stage is known where one process does it all."""
    head = "| images | groups | processes | seconds | predictors | prefixes | suffixes | ms per image and point |"
    lines = [head, "|---" * 8 + "|"]
    for row in rows:
        alone = row["workers"] == 1
        stages = [f"{row['seconds_by_stage'][k]:.1f}" if alone else "" for k in ("open", "link", "suffix")]
        lines.append(
            f"| {row['images']} | {row['points'] // 9} | {row['workers']} | {row['seconds']:.1f} "
            f"| {' | '.join(stages)} | {row['ms_per_image_point']:.2f} |"
        )
    return "\n".join(lines)


def quant_table(rows: list[dict]) -> str:
    """Types of weights side by side, by runtime; the metric is a fraction, or an error in thousandths."""
    metric = rows[0]["metric"]
    scale = scale_of(metric)
    lines = [
        f"| runtime | weights | MB | {metric}{', %' if scale == 100 else ', thousandths'} | same decisions, % | ms |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        if "refused" in row:
            lines.append(f"| {row['runtime']} | {row['weights']} | {row['refused']} | | | |")
            continue
        whole = next(r for r in rows if r["runtime"] == row["runtime"])["size_bytes"]
        latency = f"{row['latency_ms']:.2f}" if "latency_ms" in row else ""
        same = row["same_decisions"]
        lines.append(
            f"| {row['runtime']} | {row['weights']} | {row['size_bytes'] / 1e6:.2f} ({whole / row['size_bytes']:.2f}x) "
            f"| {scale * row['exported']:.2f} | {'' if same is None else f'{100 * same:.2f}'} | {latency} |"
        )
    return "\n".join(lines)


def oneshot_table(rows: list[dict]) -> str:
    """A line per share of the parameters removed, a column per way; the metric is a fraction."""
    first, metric = rows[0], next(key for key in rows[0] if key not in ("removed", "way", "params"))
    ways, scale = list(dict.fromkeys(row["way"] for row in rows[1:])), scale_of(metric)
    lines = [f"| parameters removed | {' | '.join(ways)} |", "|---" * (len(ways) + 1) + "|"]
    lines.append(f"| none | {' | '.join(f'{scale * first[metric]:.1f}' for _ in ways)} |")
    for removed in sorted({row["removed"] for row in rows[1:]}):
        found = {row["way"]: row for row in rows if row["removed"] == removed}
        cells = [f"{scale * found[way][metric]:.1f}{_besides(found[way], first, scale)}" for way in ways]
        lines.append(f"| {100 * removed:.0f} % | {' | '.join(cells)} |")
    return "\n".join(lines)


def _besides(row: dict, dense: dict, scale: float) -> str:
    """What a plan was predicted to keep, and where it removes much more than it was asked to."""
    said = [f"predicted {scale * row['predicted']:.1f}"] if "predicted" in row else []
    left = row["params"] / dense["params"]
    if 1 - left > row["removed"] + 0.05:
        said.append(f"{100 * (1 - left):.0f} % removed")
    return f" ({', '.join(said)})" if said else ""


def published_table(rows: list[dict]) -> str:
    """What others published, beside the rows of our results that come nearest."""
    lines = ["| system, network | theirs | ours | what differs |", "|---" * 4 + "|"]
    for row in rows:
        lines.append(f"| {row['system']} | {row['theirs']} | {ours(**row['ours'])} | {row['differs']} |")
    return "\n".join(lines)


def value_of(row: dict, metric: str) -> float:
    """Of a row of one run, or the mean of several seeds."""
    if "seeds" in row:
        return sum(values[metric] for values in row["seeds"].values()) / len(row["seeds"])
    return row.get("value", row.get(metric))


def summary_table(rows: list[dict]) -> str:
    """A line a network: what is left of it, and of its metric, beside an original that was trained as long."""
    head = "| network, data | parameters, M | macs | CPU | metric | original | small |"
    lines = [head, "|---" * 7 + "|"]
    for row in rows:
        found = {
            r["variant"]: r
            for r in json.loads((ROOT / f"benchmarks/results/{row['file']}.json").read_text())["rows"]
        }
        before, after = found[row["from"]], found[row["to"]]
        metric = before.get("metric", "mse")
        values = [value_of(r, metric) for r in (before, after)]
        scale, form = (100, ".1f") if metric in ("acc1", "map", "miou") else (1, ".4f")
        faster = "-"
        if row["runtime"]:
            faster = (
                f"{before['latency_ms'][row['runtime']] / after['latency_ms'][row['runtime']]:.2f}x faster"
            )
        lines.append(
            f"| {row['what']} | {before['params'] / 1e6:.2f} -> {after['params'] / 1e6:.2f} | {before['macs'] / after['macs']:.1f}x "
            f"fewer | {faster} | {metric}{', %' if scale > 1 else ''} | {scale * values[0]:{form}} | {scale * values[1]:{form}} |"
        )
    return "\n".join(lines)


def seeds_table(rows: list[dict]) -> str:
    """A line a variant: the means of its seeds, from the least to the largest, and seed by seed what it has more than
    the one it is judged beside."""
    first = rows[0]
    metrics = [key for key in next(iter(first["seeds"].values())) if key != "before"]
    runtimes = list(first.get("latency_ms", {}))
    scale = scale_of(metrics[0])
    beside = next(row for row in rows if row["variant"] == first["beside"])
    head = ["variant", "seeds", "epochs", "params, M", "macs, M", "size, MB"]
    head += [f"{key}{', %' if scale == 100 else ', 1e-3'}" for key in metrics]
    head += [f"beside *{beside['variant']}*", "before retraining (validation)"]
    lines = ["| " + " | ".join([*head, *(f"{key}, ms" for key in runtimes)]) + " |"]
    lines.append("|---" * (len(head) + len(runtimes)) + "|")
    for row in rows:
        of, other = row["seeds"], beside["seeds"]
        more = [scale * (of[seed][metrics[0]] - other[seed][metrics[0]]) for seed in of if seed in other]
        before = [scale * values["before"] for values in of.values() if "before" in values]
        weights = f"{row['params'] / 1e6:.3g}"
        if row["nonzero_params"] < 0.95 * row["params"]:
            weights += f", {row['nonzero_params'] / 1e6:.3g} not 0"
        cells = [row["variant"], str(len(of)), str(row["epochs"]), weights]
        cells += [f"{row['macs'] / 1e6:.1f}", f"{row['size_bytes'] / 1e6:.2f}"]
        cells += [_spread([scale * values[key] for values in of.values()]) for key in metrics]
        cells += ["" if row is beside else _spread(more, "+.1f"), _spread(before)]
        cells += [f"{row['latency_ms'][key]:.2f}" for key in runtimes]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spread(values: list[float], form: str = ".1f") -> str:
    """The mean, and from which to which where there are several."""
    if not values:
        return ""
    mean = f"{sum(values) / len(values):{form}}"
    return mean if len(values) == 1 else f"{mean} ({min(values):{form}} to {max(values):{form}})"


def epochs_table(rows: list[dict]) -> str:
    """A line a way and share: the metric before training and at its best, and epochs until it is the dense one's, seed by
    seed."""
    head = "| of each group removed | way | dense, % | before training, % | best, % | epochs until dense | until a point less |"
    lines = [head, "|---" * 7 + "|"]
    for row in rows:
        until = [
            ", ".join("-" if number is None else str(number) for number in row[key])
            for key in ("until", "until_a_point_less")
        ]
        values = " | ".join(f"{100 * row[f'mean_{name}']:.1f}" for name in ("dense", "before", "best"))
        lines.append(f"| {100 * row['removed']:.0f} % | {row['way']} | {values} | {' | '.join(until)} |")
    return "\n".join(lines)


def compress_table(rows: list[dict]) -> str:
    """What the one command made of a folder, a line each."""
    head = "| layout | task | network, px | minutes | parameters, k | CPU, Paddle Lite | metric | original | small | 95 % of the change |"
    lines = [head, "|---" * 10 + "|"]
    for row in rows:
        before, after = row["before"], row["after"]
        key = next(key for key in before["latency_ms"] if key.startswith("lite"))
        scale, form = (100, ".1f") if before["metric"] in ("acc1", "map", "miou") else (1, ".4f")
        low, high = (scale * v for v in after["change"])
        lines.append(
            f"| {row['layout']} | {row['task']} | {before['model']}, {before['input'][-1]} | {row['minutes']:.1f} "
            f"| {before['params'] / 1e3:.0f} -> {after['params'] / 1e3:.0f} | {before['latency_ms'][key] / after['latency_ms'][key]:.2f}x faster "
            f"| {before['metric']}{', %' if scale > 1 else ''} | {scale * before['value']:{form}} | {scale * after['value']:{form}} "
            f"| {low:+{form}} to {high:+{form}} |"
        )
    return "\n".join(lines)


def ours(file: str, to: str, beside: str = "", **more: str) -> str:
    """Of a results file two rows in words: what went, and what became of the metric."""
    rows = {
        r["variant"]: r
        for r in json.loads((ROOT / "benchmarks/results" / f"{file}.json").read_text())["rows"]
    }
    before, after = rows[more["from"]], rows[to]
    metric = before.get("metric", "mse")
    values = [value_of(row, metric) for row in (before, after)]
    scale, form = (100, ".1f") if metric in ("acc1", "map", "miou") else (1, ".4f")
    kept = [row.get("nonzero_params", row["params"]) / 1e6 for row in (before, after)]
    masked = any(row.get("nonzero_params", row["params"]) < 0.95 * row["params"] for row in (before, after))
    word = "non-zero weights" if masked else "weights"
    parts = [f"{kept[0]:.3g} -> {kept[1]:.3g} M {word}"]
    if before["macs"] > 1.01 * after["macs"]:
        parts.append(f"macs {before['macs'] / after['macs']:.1f}x fewer")
    if isinstance(before.get("latency_ms"), dict):
        faster = before["latency_ms"]["inference_t1"] / after["latency_ms"]["inference_t1"]
        parts += [f"CPU {faster:.2f}x faster"] if faster > 1.05 else []
    parts.append(f"{metric} {scale * values[0]:{form}} -> {scale * values[1]:{form}}")
    if beside:
        parts.append(f"half the widths from scratch: {scale * value_of(rows[beside], metric):{form}}")
    return f"{', '.join(parts)} (`{file}`)"


def fill(text: str) -> str:
    return BLOCK.sub(lambda m: m[1] + table(m[2]) + m[3], text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    pages = {page: page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
    if parser.parse_args().check:
        return int(any(fill(text) != text for text in pages.values()))
    for page, text in pages.items():
        page.write_text(fill(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
