#!/bin/sh
# How many epochs of training bring the dense network's metric back: 30 and 50 % of each group of the demo's network gone, by L1
# norms alone, compensated, and compensated and taught. Eight minutes a seed on one core.
#   sh benchmarks/epochs.sh SEED...     then: python benchmarks/epochs.py --json benchmarks/results/epochs_sample.json
# Run from the top folder. Finished runs are not run again.
set -eu
python=${PYTHON:-python}
run="$python tools/train.py --config configs/classification/mobilenet_v2_sample.yml"
[ -e data/sample_classification/labels.txt ] ||
    $python tools/sample_data.py --task classification --save_dir data/sample_classification
for seed in "$@"; do
    out=output/epochs/$seed
    [ -e "$out/dense/metrics.json" ] || $run --save_dir "$out/dense" --set "train.seed=$seed"
    for ratio in 0.3 0.5; do
        for way in alone compensated taught; do
            case $way in
                alone) how="prune.compensate=0 prune.criterion=l1_norm" ;;
                compensated) how="prune.compensate=256" ;;
                taught) how="train.distill=0.5" ;;
            esac
            [ -e "$out/${way}_$ratio/metrics.json" ] && continue
            # shellcheck disable=SC2086
            $run --pretrain_weights "$out/dense/best_model" --save_dir "$out/${way}_$ratio" --set "train.seed=$seed" \
                prune.strategy=uniform prune.ratio=$ratio prune.align=1 train.epochs=20 train.learning_rate=0.001 $how
        done
    done
done
