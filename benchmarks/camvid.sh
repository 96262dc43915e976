#!/bin/sh
# The runs behind compression_camvid.json and sensitivities/UNet.json, about an hour and a half on two cores at
# 96x128. Needs CamVid as an `image mask` list folder at data/camvid; run from the top folder.
set -eu
run="python tools/train.py --config configs/segmentation/unet_camvid.yml"
out=output/camvid
$run --save_dir $out/dense
python tools/sensitivity.py --model_dir $out/dense/best_model --save_file sensitivities/UNet.json \
    --note "CamVid stands in for Cityscapes: street scenes too, 101 pictures at 96x128, a network trained from scratch"

retrain() { # NAME FILE OPTIONS...
    name=$1; file=$2; shift 2
    $run --pretrain_weights $out/dense/best_model --sensitivities_file "$file" --save_dir $out/"$name" "$@"
}
short="train.epochs=6 train.learning_rate=0.0005 train.warmup_epochs=0"
retrain scheme1_0.05 sensitivities/UNet.json --eval_metric_loss 0.05 --set $short
retrain scheme1_0.10 sensitivities/UNet.json --eval_metric_loss 0.10 --set $short
retrain default_0.33 DEFAULT --set prune.strategy=for_target prune.target.params=0.33 $short
python tools/report.py --dataset data/camvid --list test_list.txt --save_dir $out/report \
    --before $out/dense/best_model --after $out/scheme1_0.05/best_model --after $out/scheme1_0.10/best_model \
    --after $out/default_0.33/best_model --names original scheme1@0.05 scheme1@0.10 default@0.33 \
    --json benchmarks/results/compression_camvid.json
