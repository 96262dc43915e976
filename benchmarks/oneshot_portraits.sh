#!/bin/sh
# The runs behind oneshot_portraits.json, about an hour on one core at 160 px. Needs portraits as an `image alpha` list folder
# at data/portraits and, as $1, MobileNetV2 ImageNet weights with batch norms (unfold_batch_norm.py makes them); run from the
# top folder. The dense run is longer than that of portraits.sh: move its folder away before.
set -eu
dense=output/portraits/dense
python tools/train.py --config configs/matting/modnet_portraits.yml --pretrain_weights "$1" --save_dir $dense \
    --set train.epochs=16
python benchmarks/oneshot.py --model_dir $dense/best_model --removed 0.3 0.5 0.8 \
    --json benchmarks/results/oneshot_portraits.json
