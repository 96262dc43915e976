#!/bin/sh
# The runs behind oneshot_trashnet.json and compression_compensated.json, about two hours on two cores. Needs
# the dense run of benchmarks/trashnet.sh; run from the top folder.
set -eu
run="python tools/train.py --config configs/classification/mobilenet_v2_trashnet.yml"
out=output/trashnet
python benchmarks/oneshot.py --model_dir $out/dense/best_model --list test_list.txt \
    --json benchmarks/results/oneshot_trashnet.json
again="train.epochs=10 train.learning_rate=0.0002"
$run --pretrain_weights $out/dense/best_model --save_dir $out/trained_on --set $again
for left in 0.35 0.16; do
    $run --pretrain_weights $out/dense/best_model --save_dir $out/least_loss_$left --set prune.strategy=least_loss \
        prune.target.params=$left $again
done
python tools/report.py --dataset data/trashnet --list test_list.txt --save_dir output/trashnet/report_compensated \
    --before $out/dense/best_model --after $out/trained_on/best_model --after $out/least_loss_0.35/best_model \
    --after $out/least_loss_0.16/best_model --names original "original, trained on" least_loss@0.35 least_loss@0.16 --threads 1 \
    --runtimes inference lite onnx openvino ncnn mnn --json benchmarks/results/compression_compensated.json
