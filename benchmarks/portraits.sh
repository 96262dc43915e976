#!/bin/sh
# MODNet on portraits at a fifth of its parameters, compensated and taught, beside the original trained on as long, and
# MODNet-ModelCompression's scheme, whose widths are the weights' own: backbone whole (fixed) or not, fine-tuned or from random
# weights. About two hours a seed on one core at 160 px.
#   sh benchmarks/portraits.sh SEED...
# Needs portraits as an `image alpha` list folder at data/portraits and output/mobilenet_v2_imagenet_bn.pdparams of trashnet.sh;
# run from the top folder. Finished runs are not run again.
set -eu
. benchmarks/runs.sh
config=configs/matting/modnet_portraits.yml
later="train.epochs=16 train.learning_rate=0.00025"
# Of the 160 people to train with, 20 choose the epochs; the 20 to validate with are only looked at in the end.
data=output/portraits_split
mkdir -p $data
for name in images alphas; do ln -sfn "$(realpath data/portraits/$name)" $data/$name; done
head -n 280 data/portraits/train_list.txt > $data/train_list.txt
tail -n 40 data/portraits/train_list.txt > $data/val_list.txt
cp data/portraits/val_list.txt $data/test_list.txt
cp data/portraits/real_list.txt $data/
common=data.root=$data

for seed in "$@"; do
    out=output/portraits/$seed
    go dense --pretrain_weights output/mobilenet_v2_imagenet_bn.pdparams --set train.epochs=32
    again on
    again 0.207 prune.strategy=least_loss prune.target.params=0.207 train.distill=0.5
    again macs_0.28 prune.strategy=least_loss prune.target.macs=0.28 train.distill=0.5 # as many as their scheme leaves
    scheme="prune.strategy=adaptive_fixed prune.threshold=0.5 prune.ratio=0.5"
    for backbone in false true; do # unfixed and fixed; from scratch as long as the original
        # shellcheck disable=SC2086
        again ${backbone}_finetune $scheme prune.keep_backbone=$backbone
        # shellcheck disable=SC2086
        go ${backbone}_scratch --pretrain_weights "$out/dense/best_model" --set train.epochs=32 $scheme prune.keep_backbone=$backbone \
            prune.residuals=untied prune.weights=scratch
    done
done
for list in test real; do
    $python benchmarks/seeds.py --folder output/portraits --list ${list}_list.txt --beside on --runtimes inference lite openvino \
        --rows dense=original on="original, trained on" 0.207="a fifth of the parameters, taught" \
        macs_0.28="a quarter of the macs, taught" true_finetune="their scheme, fixed, fine-tuned" \
        true_scratch="their scheme, fixed, from scratch" false_finetune="their scheme, unfixed, fine-tuned" \
        false_scratch="their scheme, unfixed, from scratch" \
        --json benchmarks/results/seeds_portraits_$list.json
done
$python benchmarks/oneshot.py --model_dir "$out/dense/best_model" --list test_list.txt --removed 0.3 0.5 0.8 \
    --json benchmarks/results/oneshot_portraits.json
