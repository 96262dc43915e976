#!/bin/sh
# TrashNet 1.5 to 8 times smaller, each row once for each seed, beside the original trained on as long and a uniformly narrower
# network from random weights. Five to fifteen minutes a row and seed on one core.
#   sh benchmarks/frontier.sh SEED...      ROWS="0.16 on" sh benchmarks/frontier.sh SEED... makes some of the rows, PIXELS=160 larger ones
# Needs output/mobilenet_v2_imagenet_bn.pdparams of trashnet.sh; run from the top folder. Finished runs are not run again.
set -eu
. benchmarks/runs.sh
config=configs/classification/mobilenet_v2_trashnet${PIXELS:+_$PIXELS}.yml
later="train.epochs=24 train.learning_rate=0.0005 train.warmup_epochs=1"
runs=output/frontier${PIXELS:+_$PIXELS}
rows=${ROWS:-"on on_finished 0.16 0.35_finished 0.16_finished 0.12_finished narrow 0.16_alone 0.16_rounds 0.65"}

for seed in "$@"; do
    out=$runs/$seed
    go dense --pretrain_weights output/mobilenet_v2_imagenet_bn.pdparams --set train.epochs=12
    for row in $rows; do
        least="prune.strategy=least_loss prune.target.params=${row%_*}"
        # shellcheck disable=SC2086
        case $row in
            on | on_finished) again "$row" ;;
            narrow) go narrow --set model.args.scale=0.35 train.epochs=36 train.learning_rate=0.003 train.label_smoothing=0 ;;
            *_alone) again "$row" $least ;;
            *_rounds) again "$row" $least prune.rounds=3 train.epochs=15 train.distill=1 ;; # 5 + 5 + 15
            *) again "$row" $least train.distill=1 ;;
        esac
    done
done
$python benchmarks/seeds.py --folder "$runs" --list test_list.txt --beside on --runtimes inference lite onnx --keep --rows dense=original \
    on="original, trained on" on_finished="original, trained on once more" 0.16="a sixth, taught" \
    0.35_finished="a third of the one trained on, taught by it" 0.16_finished="a sixth of the one trained on, taught by it" \
    0.12_finished="an eighth of the one trained on, taught by it" 0.16_alone="a sixth, not taught" \
    0.16_rounds="a sixth, in three rounds" narrow="narrow, from scratch" 0.65="two thirds, taught" \
    --json benchmarks/results/seeds_trashnet${PIXELS:+_$PIXELS}.json
