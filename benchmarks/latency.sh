#!/bin/sh
# The runs behind compression_latency_*.json, about an hour and a half on two cores: networks that a budget gave
# (camvid.sh and trashnet.sh make them) against those of prune.target.latency at the same latency (Paddle Inference,
# one thread), retrained alike. Run from the top folder when the machine is quiet.
set -eu
timed() { # RUN BUDGETED: latency of the budget's network as a fraction of the dense one's
    python tools/benchmark.py --model output/"$1"/dense/best_model --model output/"$1"/"$2"/best_model \
        --repeats 100 --json output/"$1"/timed.json >&2
    python -c "import json; a, b = [r['p50_ms'] for r in json.load(open('output/$1/timed.json'))['rows']]; print(round(b / a, 3))"
}
compare() { # RUN BUDGETED CONFIG SENSITIVITIES SETTINGS...
    run=$1; budgeted=$2; config=$3; file=$4; shift 4
    python tools/train.py --config "$config" --pretrain_weights output/"$run"/dense/best_model \
        --sensitivities_file "$file" --save_dir output/"$run"/latency \
        --set prune.strategy=for_target prune.target.latency="$(timed "$run" "$budgeted")" "$@"
    report "$run" "$budgeted"
}
report() { # RUN BUDGETED
    python tools/report.py --dataset data/"$1" --list test_list.txt --save_dir output/"$1"/report_latency \
        --before output/"$1"/dense/best_model --after output/"$1"/"$2"/best_model \
        --after output/"$1"/latency/best_model --names original "$(echo "$2" | tr _ @)" same_latency \
        --runtimes inference --threads 1 --repeats 100 --json benchmarks/results/compression_latency_"$1".json
}
compare camvid scheme1_0.05 configs/segmentation/unet_camvid.yml sensitivities/UNet.json \
    train.epochs=6 train.learning_rate=0.0005 train.warmup_epochs=0
compare trashnet scheme1_0.10 configs/classification/mobilenet_v2_trashnet.yml output/trashnet/sensitivities_bn.json
