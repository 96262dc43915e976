#!/bin/sh
# The runs behind compression_latency_*.json, about an hour and a half on two cores: the networks that
# eval_metric_loss 0.05 gave (camvid.sh and bccd.sh make them) against those of prune.target.latency at the same
# latency (Paddle Inference, one thread), retrained alike. Run from the top folder when the machine is quiet.
set -eu
timed() { # RUN: latency of its scheme1_0.05 as a fraction of the dense one's
    python tools/benchmark.py --model output/"$1"/dense/best_model --model output/"$1"/scheme1_0.05/best_model \
        --repeats 100 --json output/"$1"/timed.json >&2
    python -c "import json; a, b = [r['p50_ms'] for r in json.load(open('output/$1/timed.json'))['rows']]; print(round(b / a, 3))"
}
compare() { # RUN CONFIG SENSITIVITIES SETTINGS...
    run=$1; config=$2; file=$3; shift 3
    python tools/train.py --config "$config" --pretrain_weights output/"$run"/dense/best_model \
        --sensitivities_file "$file" --save_dir output/"$run"/latency \
        --set prune.strategy=for_target prune.target.latency="$(timed "$run")" "$@"
    python tools/report.py --dataset data/"$run" --list test_list.txt --save_dir output/"$run"/report_latency \
        --before output/"$run"/dense/best_model --after output/"$run"/scheme1_0.05/best_model \
        --after output/"$run"/latency/best_model --names original scheme1@0.05 same_latency \
        --runtimes inference --threads 1 --repeats 100 --json benchmarks/results/compression_latency_"$run".json
}
compare camvid configs/segmentation/unet_camvid.yml sensitivities/UNet.json \
    train.epochs=6 train.learning_rate=0.0005 train.warmup_epochs=0
compare bccd configs/detection/yolov3_bccd.yml sensitivities/YOLOv3.json train.warmup_epochs=0
