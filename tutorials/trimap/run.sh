#!/bin/sh
# Deep Image Matting made small by a teacher; each step is explained in README.md. Run from the top folder of the project.
#   sh tutorials/trimap/run.sh [SETTING...]        settings of every training, e.g. train.epochs=2
set -eu
python=${PYTHON:-python} data=${DATA:-data/sample_matting} out=${OUT:-output/trimap}
train="$python tools/train.py --config ${CONFIG:-configs/matting/dim_sample.yml}"
set -- "data.root=$data" "$@"

# 1. Pictures with their alphas
if [ -z "${DATA:-}" ] && [ ! -e "$data" ]; then
    $python tools/sample_data.py --task matting --save_dir "$data"
fi

# 2. The teacher
$train --save_dir "$out/teacher" --set "$@"

# 3. A student of the same widths, whose batch norms' scales are drawn to zero while it is taught
taught="train.teacher=$out/teacher/best_model train.distill=0.5 train.match=spkd"
$train --save_dir "$out/sparse" --set $taught 'train.sparsity={encoder: 0.001, decoder: 0.0001}' train.scales=0.5 "$@"

# 4. The narrow network, from random weights, taught again
$train --pretrain_weights "$out/sparse/best_model" --save_dir "$out/student" --set prune.strategy=slimming prune.ratio=0.5 \
    'prune.apart=[encoder, decoder]' prune.align=1 prune.weights=scratch $taught "$@"

# 5. The other way: the teacher itself, made narrower, its layers made up for what went
$train --pretrain_weights "$out/teacher/best_model" --save_dir "$out/ours" --set prune.strategy=least_loss \
    prune.target.params=0.3 train.distill=0.5 train.learning_rate=0.001 "$@"

# 6. Which is better, and at what cost
$python tools/report.py --dataset "$data" --before "$out/teacher/best_model" --after "$out/student/best_model" \
    --after "$out/ours/best_model" --names teacher student ours --save_dir "$out/report" --save_file "$out/report.html"

# 7. A file that runs without this package, and its client, which takes a picture and its trimap
$python tools/export.py --model_dir "$out/ours/best_model" --save_dir "$out/openvino" --format openvino
