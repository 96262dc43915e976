#!/bin/sh
# The runs behind oneshot_bccd.json and compression_compensated_bccd.json, about two hours on two cores. Needs BCCD as a Pascal
# VOC list folder at data/bccd and, as $1, MobileNetV1 ImageNet weights (batch norms folded); run from the top folder.
set -eu
config=configs/detection/yolov3_bccd.yml
run="python tools/train.py --config $config"
out=output/bccd_compensated
dense=$out/dense/best_model
python benchmarks/unfold_batch_norm.py --model mobilenet_v1 --weights "$1" --dataset data/bccd/JPEGImages \
    --size 224 --images 128 --save_file output/mobilenet_v1_imagenet_bn.pdparams
$run --pretrain_weights output/mobilenet_v1_imagenet_bn.pdparams --save_dir $out/dense --set train.epochs=24
again="train.epochs=10 train.warmup_epochs=0 train.learning_rate=0.00025"
$run --pretrain_weights $dense --save_dir $out/least_loss_0.24 \
    --set $again train.distill=0.5 prune.strategy=least_loss prune.target.params=0.24
$run --pretrain_weights $dense --save_dir $out/trained_on --set $again
python benchmarks/oneshot.py --model_dir $dense --list test_list.txt --removed 0.2 0.3 0.5 \
    --json benchmarks/results/oneshot_bccd.json
python tools/report.py --dataset data/bccd --list test_list.txt --save_dir $out/report --before $dense \
    --after $out/trained_on/best_model --after $out/least_loss_0.24/best_model \
    --names original "original, trained on" least_loss@0.24 --threads 1 --runtimes inference lite onnx openvino mnn \
    --json benchmarks/results/compression_compensated_bccd.json
