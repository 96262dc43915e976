#!/bin/sh
# UNet on CamVid at a sixth of its parameters, and at 30 % of the macs of the original that was trained on, compensated and taught,
# beside the original trained on as long and a uniformly narrower network from random weights. Two hours a seed on one core at 96x128.
#   sh benchmarks/camvid.sh SEED...      ROWS="on 0.16" sh benchmarks/camvid.sh SEED... makes some of the rows
# Needs CamVid as an `image mask` list folder at data/camvid; run from the top folder. Finished runs are not run again.
set -eu
. benchmarks/runs.sh
config=configs/segmentation/unet_camvid.yml
later="train.epochs=8 train.learning_rate=0.0005 train.warmup_epochs=0"
rows=${ROWS:-"on 0.16 macs_0.3_finished narrow on_finished 0.07 0.16_plain 0.33"}

for seed in "$@"; do
    out=output/camvid/$seed
    go dense --set train.epochs=12
    for row in $rows; do
        case $row in
            on | on_finished) again "$row" ;;
            narrow) go narrow --set model.args.scale=0.4 train.epochs=20 ;; # as long as both together
            *_plain) again "$row" prune.strategy=uniform prune.ratio=0.6 prune.criterion=l1_norm prune.compensate=0 ;;
            macs_*) again "$row" prune.strategy=least_loss prune.target.macs=0.3 train.distill=0.5 ;;
            *) again "$row" prune.strategy=least_loss prune.target.params="$row" train.distill=0.5 ;;
        esac
    done
done
$python benchmarks/seeds.py --folder output/camvid --list test_list.txt --beside on --runtimes inference lite --rows dense=original \
    on="original, trained on" on_finished="original, trained on once more" 0.33="a third, taught" 0.16="a sixth, taught" \
    macs_0.3_finished="30 % of the macs of the one trained on, taught by it" 0.07="a fourteenth, taught" 0.16_plain="a sixth, L1 norms, one share" \
    narrow="a sixth, uniformly narrower, from scratch" --keep --json benchmarks/results/seeds_camvid.json
$python benchmarks/oneshot.py --model_dir output/camvid/0/dense/best_model --list test_list.txt --removed 0.2 0.3 0.5 \
    --json benchmarks/results/oneshot_camvid.json
