#!/bin/sh
# The runs behind oneshot_portraits.json, compression_compensated_portraits.json and sensitivities/MODNet.json, about an hour
# and a half on two cores. Needs portraits as an `image alpha` list folder at data/portraits and, as $1, MobileNetV2 ImageNet
# weights with batch norms (unfold_batch_norm.py makes them); run from the top folder.
set -eu
run="python tools/train.py --config configs/matting/modnet_portraits.yml"
out=output/portraits_compensated
dense=$out/dense/best_model
$run --pretrain_weights "$1" --save_dir $out/dense --set train.epochs=16
python benchmarks/oneshot.py --model_dir $dense --removed 0.2 0.3 0.5 0.8 \
    --json benchmarks/results/oneshot_portraits.json
again="train.epochs=8 train.warmup_epochs=0 train.learning_rate=0.00025"
$run --pretrain_weights $dense --save_dir $out/least_loss_0.207 \
    --set $again train.distill=0.5 prune.strategy=least_loss prune.target.params=0.207
$run --pretrain_weights $dense --save_dir $out/trained_on --set $again
python tools/sensitivity.py --model_dir $dense --save_file sensitivities/MODNet.json \
    --note "people cut out and put on photographs, 40 pictures at 160 px"
python tools/report.py --dataset data/portraits --list val_list.txt --save_dir $out/report --before $dense \
    --after $out/trained_on/best_model --after $out/least_loss_0.207/best_model \
    --names original "original, trained on" least_loss@0.207 --threads 1 --runtimes inference lite onnx openvino mnn \
    --json benchmarks/results/compression_compensated_portraits.json
