#!/bin/sh
# TrashNet 1.5 to 8 times smaller, each row once for each seed, beside the original trained on as long and a uniformly narrower
# network from random weights. Five to fifteen minutes a row and seed on one core.
#   sh benchmarks/frontier.sh SEED...      ROWS="0.16 on" sh benchmarks/frontier.sh SEED... makes some of the rows, PIXELS=160 or 224 larger ones
# Needs output/mobilenet_v2_imagenet_bn.pdparams of trashnet.sh; run from the top folder. Finished runs are not run again.
set -eu
. benchmarks/runs.sh
config=configs/classification/mobilenet_v2_trashnet${PIXELS:+_$PIXELS}.yml
later="train.epochs=24 train.learning_rate=0.0005 train.warmup_epochs=1"
runs=output/frontier${PIXELS:+_$PIXELS}
rows=${ROWS:-"on on_finished 0.16 0.65_finished 0.5_finished 0.35_finished 0.16_finished 0.12_finished macs_0.4_finished 0.16_alone_finished
    0.16_rounds_finished 0.16_rounds_half_finished 0.16_longer_finished on_longer_finished narrow"}

for seed in "$@"; do
    out=$runs/$seed
    go dense --pretrain_weights output/mobilenet_v2_imagenet_bn.pdparams --set train.epochs=12
    for row in $rows; do
        least="prune.strategy=least_loss prune.target.params=${row%%_*}"
        # shellcheck disable=SC2086
        case $row in
            on | on_finished) again "$row" ;;
            on_longer_finished) again "$row" train.epochs=48 ;;
            narrow) go narrow --set model.args.scale=0.35 train.epochs=60 train.learning_rate=0.003 train.label_smoothing=0 ;; # 12 + 24 + 24
            macs_*) again "$row" prune.strategy=least_loss prune.target.macs=0.4 train.distill=1 ;;
            *_alone_*) again "$row" $least ;;
            *_rounds_half_*) again "$row" $least prune.rounds=3 train.epochs=15 train.distill=0.5 ;;
            *_rounds_*) again "$row" $least prune.rounds=3 train.epochs=15 train.distill=1 ;; # 5 + 5 + 15
            *_longer_*) again "$row" $least train.epochs=48 train.distill=1 ;;
            *) again "$row" $least train.distill=1 ;;
        esac
    done
done
$python benchmarks/seeds.py --folder "$runs" --list test_list.txt --beside on --runtimes inference lite onnx --keep --rows dense=original \
    on="original, trained on" on_finished="original, trained on once more" on_longer_finished="original, trained on once more, 48 epochs" \
    0.16="a sixth, taught" 0.65_finished="two thirds of the one trained on, taught by it" \
    0.5_finished="half of the one trained on, taught by it" \
    0.35_finished="a third of the one trained on, taught by it" 0.16_finished="a sixth of the one trained on, taught by it" \
    0.12_finished="an eighth of the one trained on, taught by it" macs_0.4_finished="40 % of the macs of the one trained on, taught by it" \
    0.16_alone_finished="a sixth of the one trained on, not taught" \
    0.16_rounds_finished="a sixth of the one trained on, in three rounds, taught by it" \
    0.16_rounds_half_finished="a sixth of the one trained on, in three rounds, taught by it and the labels" \
    0.16_longer_finished="a sixth of the one trained on, taught by it, 48 epochs" narrow="narrow, from scratch" \
    --json benchmarks/results/seeds_trashnet${PIXELS:+_$PIXELS}.json
