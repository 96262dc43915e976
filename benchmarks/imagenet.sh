#!/bin/sh
# The runs behind oneshot_imagenet.json and sensitivities/MobileNetV2.json, about three quarters of an hour on two cores.
# Needs 1000 ImageNet pictures, one a class, at data/imagenet_samples and MobileNetV2's ImageNet weights (batch norms folded)
# as $1; run from the top folder. What goes is made up for by 256 of the pictures, the metric is of 400 others, the
# table's of all 744 others.
set -eu
data=output/imagenet_split
mkdir -p $data
ln -sfn "$(realpath data/imagenet_samples/images)" $data/images
cp data/imagenet_samples/labels.txt $data/
shuf --random-source=data/imagenet_samples/val_list.txt data/imagenet_samples/val_list.txt > $data/all.txt
head -n 256 $data/all.txt > $data/train_list.txt
tail -n 400 $data/all.txt > $data/val_list.txt
tail -n 744 $data/all.txt > $data/others.txt
python benchmarks/unfold_batch_norm.py --weights "$1" --dataset data/imagenet_samples/images --size 224 --images 64 \
    --save_file output/mobilenet_v2_imagenet_bn224.pdparams
python tools/train.py --config configs/classification/mobilenet_v2_imagenet_samples.yml \
    --set data.root=$data data.train_list=train_list.txt \
    --pretrain_weights output/mobilenet_v2_imagenet_bn224.pdparams --save_dir output/imagenet_split_model
python benchmarks/oneshot.py --model_dir output/imagenet_split_model/best_model --removed 0.1 0.2 0.3 \
    --json benchmarks/results/oneshot_imagenet.json
python tools/sensitivity.py --model_dir output/imagenet_split_model/best_model --list others.txt --batch_size 16 \
    --save_file sensitivities/MobileNetV2.json --note "744 of 1000 ImageNet pictures, one a class; made up for by some of the others"
