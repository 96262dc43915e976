#!/bin/sh
# The runs behind compression_taught.json: TrashNet again, with a warm-up and a teacher when the pruned network is trained, beside
# the original trained on and a uniformly narrower network of the same size trained from random weights as long in all. About
# an hour and a half on one core. Needs output/mobilenet_v2_imagenet_bn.pdparams of trashnet.sh; run from the top folder.
set -eu
run="python tools/train.py --config configs/classification/mobilenet_v2_trashnet.yml"
out=output/trashnet
$run --pretrain_weights output/mobilenet_v2_imagenet_bn.pdparams --save_dir $out/dense
again="train.epochs=12 train.learning_rate=0.0002 train.warmup_epochs=1"
$run --pretrain_weights $out/dense/best_model --save_dir $out/trained_on --set $again
$run --pretrain_weights $out/dense/best_model --save_dir $out/least_loss_0.16 --set prune.strategy=least_loss \
    prune.target.params=0.16 train.distill=0.5 $again
$run --save_dir $out/narrow --set model.args.scale=0.35 train.epochs=24 train.learning_rate=0.003 \
    train.weight_decay=0.01 train.label_smoothing=0
python tools/report.py --dataset data/trashnet --list test_list.txt --save_dir $out/report_taught \
    --before $out/dense/best_model --after $out/trained_on/best_model --after $out/least_loss_0.16/best_model \
    --after $out/narrow/best_model --names original "original, trained on" least_loss@0.16 "narrow, from scratch" --threads 1 \
    --runtimes inference lite onnx openvino --json benchmarks/results/compression_taught.json
