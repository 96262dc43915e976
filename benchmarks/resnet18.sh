#!/bin/sh
# ResNet18 of paddle.vision on TrashNet at 96 px from random weights, and what it keeps of that before any retraining. Half an hour
# on one core.
#   sh benchmarks/resnet18.sh
# Needs TrashNet as an ImageNet list folder at data/trashnet; run from the top folder. A finished run is not run again.
set -eu
. benchmarks/runs.sh
config=configs/classification/mobilenet_v2_trashnet.yml out=output/resnet18 seed=0
go dense --set model.name=paddle.vision.resnet18 size=96 train.epochs=40
$python benchmarks/oneshot.py --model_dir "$out/dense/best_model" --list test_list.txt --removed 0.2 0.3 0.5 \
    --json benchmarks/results/oneshot_resnet18.json
