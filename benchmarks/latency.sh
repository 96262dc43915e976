#!/bin/sh
# The runs behind compression_latency_*.json, about an hour and a half on two cores: eval_metric_loss against
# prune.target.latency at the latency that the budget led to (one thread), retrained alike. Needs the dense networks
# of camvid.sh and trashnet.sh; run from the top folder when the machine is quiet.
set -eu
compare() { # DATA FOLDER RUNTIME CONFIG SENSITIVITIES BUDGET SETTINGS...
    run=$1; out=$2; runtime=$3; config=$4; file=$5; budget=$6; shift 6
    train="python tools/train.py --config $config --pretrain_weights $out/dense/best_model --sensitivities_file $file"
    $train --save_dir $out/by_budget --eval_metric_loss "$budget" --set "$@"
    python tools/benchmark.py --model_dir $out/dense/best_model --model_dir $out/by_budget/best_model --runtime "$runtime" \
        --repeats 100 --json $out/timed.json
    share=$(python -c "import json; a, b = [r['p50_ms'] for r in json.load(open('$out/timed.json'))['rows']]; print(round(b / a, 3))")
    $train --save_dir $out/by_latency --set prune.strategy=for_target prune.target.latency="$share" \
        prune.target.runtime="$runtime" "$@"
    python tools/report.py --dataset data/"$run" --list test_list.txt --save_dir $out/report_latency \
        --before $out/dense/best_model --after $out/by_budget/best_model --after $out/by_latency/best_model \
        --names original by_budget by_latency --runtimes "$runtime" --threads 1 --repeats 100 \
        --json benchmarks/results/compression_latency_"$run".json
}
compare camvid output/camvid/0 inference configs/segmentation/unet_camvid.yml sensitivities/UNet.json 0.05 \
    train.epochs=6 train.learning_rate=0.0005 train.warmup_epochs=0
compare trashnet output/trashnet lite configs/classification/mobilenet_v2_trashnet.yml output/trashnet/sensitivities_bn.json 0.10 \
    train.epochs=4 train.warmup_epochs=0
