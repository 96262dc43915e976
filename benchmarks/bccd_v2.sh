#!/bin/sh
# YOLOv2 on BCCD: CS4180-DL's two rules at rising shares, and at their sizes the same share everywhere, sensitivities and least
# loss; each trained as long, as is the original. Quarter widths, 224 px, from random weights. Three quarters of an hour on one core and seed.
#   sh benchmarks/bccd_v2.sh SEED...
# Needs BCCD as a Pascal VOC list folder at data/bccd; run from the top folder. Finished runs are not run again.
set -eu
. benchmarks/runs.sh
config=configs/detection/yolov2_bccd.yml
later="train.epochs=30 train.learning_rate=0.001 train.warmup_epochs=1"

left() { # NAME    the share of the parameters that a run left
    $python -c "import json, sys; a, b = (json.load(open(f'$out/{n}/metrics.json')) for n in ('$1', 'dense')); print(a['params'] / b['params'])"
}

for seed in "$@"; do
    out=output/bccd_v2/$seed
    go dense --set train.epochs=120
    again on
    for share in 0.2 0.4 0.6; do
        again "percentile_$share" prune.strategy=percentile prune.ratio=$share prune.compensate=0 prune.align=1
    done
    again weights_0.8 prune.strategy=magnitude prune.ratio=0.8
    for share in 0.4 0.6; do
        params=$(left "percentile_$share")
        again "least_$share" prune.strategy=least_loss "prune.target.params=$params" prune.align=1
    done
    again least_0.6_taught prune.strategy=least_loss "prune.target.params=$params" prune.align=1 train.distill=0.5
    [ -e "$out/sensitivities.json" ] || $python tools/sensitivity.py --model_dir "$out/dense/best_model" --save_file "$out/sensitivities.json"
    params=$(left percentile_0.4)
    again scheme1_0.4 prune.strategy=for_target "prune.target.params=$params" prune.align=1 prune.sensitivities="$out/sensitivities.json"
    again uniform_0.4 prune.strategy=uniform prune.align=1 prune.compensate=0 prune.criterion=l1_norm \
        "prune.ratio=$($python -c "print(round(1 - $params ** 0.5, 3))")"
done
$python benchmarks/seeds.py --folder output/bccd_v2 --list test_list.txt --beside on --least 0.25 --runtimes inference lite \
    --rows dense=original on="original, trained on" percentile_0.2="filters 20 %, their rule" \
    percentile_0.4="filters 40 %, their rule" percentile_0.6="filters 60 %, their rule" weights_0.8="weights 80 %, their rule" \
    uniform_0.4="as small as 40 %: L1 norms, one share" scheme1_0.4="as small as 40 %: one budget" \
    least_0.4="as small as 40 %: least loss" least_0.6="as small as 60 %: least loss" \
    least_0.6_taught="as small as 60 %: least loss, taught" --json benchmarks/results/seeds_bccd_v2.json
