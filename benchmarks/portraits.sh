#!/bin/sh
# The runs that make compression_portraits*.json and sensitivities/MODNet.json, about two hours on two cores at
# 160 px. Needs portraits as an `image alpha` list folder at data/portraits and, as $1, MobileNetV2 ImageNet
# weights with batch norms (unfold_batch_norm.py makes them); run from the top folder.
set -eu
run="python tools/train.py --config configs/matting/modnet_portraits.yml"
out=output/portraits
dense=$out/dense/best_model
$run --pretrain_weights "$1" --save_dir $out/dense
python tools/sensitivity.py --model_dir $dense --save_file sensitivities/MODNet.json \
    --note "people cut out and put on photographs, 40 pictures at 160 px"

short="train.epochs=16 train.warmup_epochs=0"
$run --pretrain_weights $dense --save_dir $out/default_0.207 --sensitivities_file DEFAULT \
    --set $short prune.strategy=for_target prune.target.params=0.207
# The scheme of MODNet-ModelCompression; this threshold and ratio leave its 1.34 M parameters and 24 % of the macs (backbone pruned).
adaptive="prune.strategy=adaptive_fixed prune.threshold=0.53 prune.ratio=0.55"
for backbone in true false; do # fixed and unfixed backbone
    for weights in inherit scratch; do # fine-tune and train-from-scratch
        $run --pretrain_weights $dense --save_dir $out/${backbone}_$weights \
            --set $short $adaptive prune.keep_backbone=$backbone prune.weights=$weights
    done
done

compare() { # LIST RESULT
    list=$1; result=$2
    python tools/report.py --dataset data/portraits --list "$list" --save_dir $out/report --before $dense \
        --after $out/default_0.207/best_model \
        --after $out/true_inherit/best_model --after $out/true_scratch/best_model \
        --after $out/false_inherit/best_model --after $out/false_scratch/best_model \
        --names original default@0.207 fixed_finetune fixed_scratch unfixed_finetune unfixed_scratch \
        --runtimes inference lite openvino --threads 1 --json benchmarks/results/compression_"$result".json
}
compare val_list.txt portraits
compare real_list.txt portraits_real
