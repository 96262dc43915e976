#!/bin/sh
# The runs behind compression_trashnet.json, where nothing makes up for channels that go, about two hours on two cores. Needs the
# TrashNet list folder at data/trashnet and MobileNetV2 ImageNet weights (batch norms folded) as $1; run from the top folder.
set -eu
run="python tools/train.py --config configs/classification/mobilenet_v2_trashnet.yml"
out=output/trashnet
python benchmarks/unfold_batch_norm.py --weights "$1" --dataset data/trashnet --save_file output/mobilenet_v2_imagenet_bn.pdparams
$run --pretrain_weights output/mobilenet_v2_imagenet_bn.pdparams --save_dir $out/dense
python tools/sensitivity.py --model_dir $out/dense/best_model --criterion bn_scale --compensate 0 --save_file $out/sensitivities_bn.json

retrain() { # NAME FILE SETTINGS...
    name=$1; file=$2; shift 2
    $run --pretrain_weights $out/dense/best_model --sensitivities_file "$file" --save_dir $out/"$name" --set prune.compensate=0 "$@"
}
retrain scheme1_0.05 $out/sensitivities_bn.json prune.loss=0.05
retrain scheme1_0.10 $out/sensitivities_bn.json prune.loss=0.10
retrain default_0.10 DEFAULT prune.loss=0.10
retrain target_0.35 $out/sensitivities_bn.json prune.strategy=for_target prune.target.params=0.35
retrain target $out/sensitivities_bn.json prune.strategy=for_target prune.target.params=0.16
python tools/report.py --dataset data/trashnet --list test_list.txt --save_dir docs \
    --before $out/dense/best_model --after $out/scheme1_0.05/best_model --after $out/scheme1_0.10/best_model \
    --after $out/default_0.10/best_model --after $out/target_0.35/best_model --after $out/target/best_model \
    --names original scheme1@0.05 scheme1@0.10 default@0.10 target@0.35 target@0.16 \
    --json benchmarks/results/compression_trashnet.json
