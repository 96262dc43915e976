#!/bin/sh
# Distillation-based channel pruning and its rivals with Deep Image Matting, on objects with true alphas that are put
# on photographs: teacher, uniformly narrower, network slimming, NST, OFD, SPKD, and sensitivities' heirs: compensated.
#   sh benchmarks/dcp.sh DATA BACKGROUNDS SEED...      DATA: alphamatting's 20 + 7 pictures; an hour a seed on one core
# Small on purpose: an eighth of the widths, 96 px. Finished runs are not run again.
set -eu
data=$1 backgrounds=$2
shift 2
python=${PYTHON:-python}
runs=output/dcp
[ -e "$runs/data/val_list.txt" ] || "$python" benchmarks/dcp_data.py --data "$data" --backgrounds "$backgrounds" --save_dir "$runs/data"
data=$runs/data backgrounds=$runs/data/backgrounds
train="[{Composite: {backgrounds: $backgrounds, prob: 0.9}}, {Trimap: {width: 6, least: 2}}, {CropAtUnknown: {size: 96, sizes: [72, 120, 168]}}, RandomHorizontalFlip, Normalize, TrimapChannel]"
eval="[{Resize: {size: 96}}, {Trimap: {width: 3, least: 3}}, Normalize, TrimapChannel]"
common="data.root=$data data.image_shape=[4,96,96] train.eval_every=10 data.batch_size=5"

go() { # go NAME EPOCHS SCALE [--pretrain_weights DIR] SETTING...
    name=$1 epochs=$2 scale=$3; shift 3
    weights=""
    if [ "${1:-}" = --pretrain_weights ]; then weights="--pretrain_weights $2"; shift 2; fi
    [ -e "$out/$name/metrics.json" ] && return
    # shellcheck disable=SC2086
    "$python" tools/train.py --config configs/matting/dim_alphamatting.yml --save_dir "$out/$name" $weights --set $common \
        "data.train_transforms=$train" "data.eval_transforms=$eval" "train.epochs=$epochs" "model.args.scale=$scale" \
        "train.seed=$seed" "$@"
}

for seed in "$@"; do
    out=$runs/$seed
    go teacher 500 0.125
    taught="train.teacher=$out/teacher/best_model train.distill=0.5"
    sparse="train.sparsity={encoder: 0.0001, decoder: 0.00001}"
    narrow="prune.strategy=slimming prune.apart=[encoder,decoder] prune.align=1 prune.weights=scratch"
    go uniform 200 0.0625
    # Network slimming: the task's loss alone, one threshold.
    go slimming_sparse 100 0.125 "train.sparsity={all: 0.0001}"
    go slimming 200 0.125 --pretrain_weights "$out/slimming_sparse/best_model" \
        prune.strategy=slimming prune.align=1 prune.weights=scratch
    for kind in nst ofd spkd; do
        # shellcheck disable=SC2086
        go ${kind}_sparse 100 0.125 $taught train.match=$kind "$sparse" train.scales=0.5
        # shellcheck disable=SC2086
        go $kind 200 0.125 --pretrain_weights "$out/${kind}_sparse/best_model" $taught train.match=$kind $narrow
    done
    # Ours: the teacher itself made narrower, as small as the one that SPKD made.
    left=$("$python" -c "import json; m = json.load(open('$out/spkd/metrics.json')); d = json.load(open('$out/teacher/metrics.json')); print(m['params'] / d['params'])")
    # shellcheck disable=SC2086
    go ours 200 0.125 --pretrain_weights "$out/teacher/best_model" prune.strategy=least_loss prune.target.params=$left \
        prune.align=1 train.distill=0.5 train.learning_rate=0.0005
    # The original trained on, as long as ours.
    go teacher_on 200 0.125 --pretrain_weights "$out/teacher/best_model" train.learning_rate=0.0005
done
"$python" benchmarks/seeds.py --folder "$runs" --list test_list.txt --beside teacher_on --also sad grad conn --curve teacher \
    --runtimes inference --rows teacher=Teacher teacher_on="Teacher, trained on" uniform="UNI, half the widths, from scratch" \
    slimming="NS, network slimming" nst=NST ofd=OFD spkd=SPKD ours="compensated, least loss, taught" \
    --json benchmarks/results/seeds_dcp.json
