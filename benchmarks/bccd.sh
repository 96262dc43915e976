#!/bin/sh
# YOLOv3 on BCCD at a quarter and a seventh of its parameters, compensated and taught, beside the original trained on as long, pruning
# without compensation and a uniformly narrower network from random weights; how many filters can go. About an hour and a half
# on one core.
#   sh benchmarks/bccd.sh WEIGHTS SEED...      SWEEPS="" sh benchmarks/bccd.sh WEIGHTS SEED... without sweeps
#   ROWS="on on_finished 0.14_finished" sh benchmarks/bccd.sh WEIGHTS SEED... makes some of the rows
# Needs BCCD as a Pascal VOC list folder at data/bccd and MobileNetV1's ImageNet weights (batch norms folded); run from the top
# folder. Finished runs are not run again.
set -eu
. benchmarks/runs.sh
weights=$1; shift
config=configs/detection/yolov3_bccd.yml
gently="train.warmup_epochs=1 train.learning_rate=0.00025"
later="train.epochs=16 $gently"

[ -e output/mobilenet_v1_imagenet_bn.pdparams ] || $python benchmarks/unfold_batch_norm.py --model mobilenet_v1 --weights "$weights" \
    --dataset data/bccd/JPEGImages --size 224 --images 128 --save_file output/mobilenet_v1_imagenet_bn.pdparams
for seed in "$@"; do
    out=output/bccd/$seed
    go dense --pretrain_weights output/mobilenet_v1_imagenet_bn.pdparams --set train.epochs=30
    for row in ${ROWS:-on on_finished 0.24 0.14 0.14_finished 0.24_plain narrow}; do
        case $row in
            on | on_finished) again "$row" ;;
            narrow) go narrow --set model.args.scale=0.5 model.args.width=0.48 train.epochs=46 ;; # as long as both together, from random weights
            *_plain) again "$row" prune.strategy=uniform prune.ratio=0.51 prune.criterion=l1_norm prune.compensate=0 ;;
            *) again "$row" prune.strategy=least_loss prune.target.params="${row%_*}" train.distill=0.5 ;;
        esac
    done
done
$python benchmarks/seeds.py --folder output/bccd --list test_list.txt --beside on --runtimes inference lite --rows dense=original \
    on="original, trained on" on_finished="original, trained on once more" 0.24="a quarter, taught" 0.14="a seventh, taught" \
    0.14_finished="a seventh of the one trained on, taught by it" 0.24_plain="a quarter, L1 norms, one share" \
    narrow="a quarter, uniformly narrower, from scratch" --json benchmarks/results/seeds_bccd.json
for what in ${SWEEPS-filters weights}; do
    case $what in
        filters) ratios=0.4,0.6 taught="" ;;
        weights) ratios=0.8,0.9 taught=train.distill=0.5 ;;
    esac
    # shellcheck disable=SC2086
    $python tools/sweep.py --config $config --model_dir "$out/dense/best_model" --save_dir output/bccd/sweep --what "$what" \
        --ratios $ratios --set $gently train.epochs=12 $taught --json benchmarks/results/sweep_bccd_"$what".json
done
$python benchmarks/oneshot.py --model_dir "$out/dense/best_model" --list test_list.txt --removed 0.2 0.3 0.5 \
    --json benchmarks/results/oneshot_bccd.json
