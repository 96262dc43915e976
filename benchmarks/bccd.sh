#!/bin/sh
# The runs that make compression_bccd.json, sweep_bccd_*.json and sensitivities/YOLOv3.json, about two hours on two
# cores at 224 px. Needs BCCD as a Pascal VOC list folder at data/bccd and, as $1, MobileNetV1 ImageNet weights
# (batch norms folded); run from the top folder.
set -eu
config=configs/detection/yolov3_bccd.yml
run="python tools/train.py --config $config"
out=output/bccd
dense=$out/dense/best_model
python benchmarks/unfold_batch_norm.py --model mobilenet_v1 --weights "$1" --dataset data/bccd/JPEGImages \
    --size 224 --images 128 --save_file output/mobilenet_v1_imagenet_bn.pdparams
$run --pretrain_weights output/mobilenet_v1_imagenet_bn.pdparams --save_dir $out/dense
python tools/sensitivity.py --model_dir $dense --save_file sensitivities/YOLOv3.json \
    --note "BCCD stands in for VOC: blood cells of three kinds, 87 pictures at 224 px"

again="train.warmup_epochs=0"
for budget in 0.05 0.10; do
    $run --pretrain_weights $dense --save_dir $out/scheme1_$budget --set $again \
        --sensitivities_file sensitivities/YOLOv3.json --eval_metric_loss $budget
done
$run --pretrain_weights $dense --save_dir $out/default_0.24 --sensitivities_file DEFAULT \
    --set $again prune.strategy=for_target prune.target.params=0.24
python tools/report.py --dataset data/bccd --list test_list.txt --save_dir $out/report --before $dense \
    --after $out/scheme1_0.05/best_model --after $out/scheme1_0.10/best_model --after $out/default_0.24/best_model \
    --names original scheme1@0.05 scheme1@0.10 default@0.24 --threads 1 --json benchmarks/results/compression_bccd.json

sweep="python tools/sweep.py --config $config --model_dir $dense --save_dir $out/sweep"
$sweep --what filters --ratios 0.2,0.4,0.6,0.8 --set $again train.epochs=12 \
    --json benchmarks/results/sweep_bccd_filters.json
$sweep --what weights --ratios 0.7,0.75,0.8,0.9 --set $again train.epochs=6 train.learning_rate=0.00025 \
    --json benchmarks/results/sweep_bccd_weights.json
