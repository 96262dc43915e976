#!/bin/sh
# Push the client, an export and pictures to a phone by adb, run it there and fetch the results.
#   deploy/lite/cpp/run.sh --client build/lite_client --libs DIR --model_dir output/lite --image PICTURES \
#       --save_dir output/phone [--threads 4] [--power_mode high] [--warmup 10] [--repeats 100]
# --libs: folder with libpaddle_light_api_shared.so (and libopencv_*.so, if they are shared) of the phone's
# processor. Every thread count given, e.g. --threads "1 2 4", is timed in turn.
set -eu
client="" libs="" model="" input="" save_dir="" threads="1" power_mode="high" warmup=10 repeats=100
while [ $# -gt 1 ]; do
    case $1 in
        --client) client=$2 ;; --libs) libs=$2 ;; --model_dir) model=$2 ;; --image) input=$2 ;;
        --save_dir) save_dir=$2 ;; --threads) threads=$2 ;; --power_mode) power_mode=$2 ;;
        --warmup) warmup=$2 ;; --repeats) repeats=$2 ;;
        *) echo "run.sh: '$1' is not known; see the top of this file" >&2; exit 2 ;;
    esac
    shift 2
done
for given in "$client" "$libs" "$model" "$input" "$save_dir"; do
    if [ -z "$given" ]; then
        echo "run.sh: --client, --libs, --model_dir, --image and --save_dir are needed" >&2; exit 2
    fi
done
command -v adb >/dev/null || { echo "run.sh: adb is not installed; get Android's platform tools" >&2; exit 2; }
there=/data/local/tmp/lite_client
adb shell "rm -rf $there && mkdir -p $there/pictures"
adb push "$client" "$model" $there/ >/dev/null
adb push "$libs"/*.so $there/ >/dev/null
if [ -d "$input" ]; then adb push "$input"/. $there/pictures/ >/dev/null; else adb push "$input" $there/pictures/ >/dev/null; fi
for count in $threads; do
    echo "$count threads, power mode $power_mode"
    adb shell "cd $there && chmod +x lite_client && LD_LIBRARY_PATH=$there ./lite_client --model_dir $(basename "$model") \
        --image pictures --save_dir out --threads $count --power_mode $power_mode --warmup $warmup --repeats $repeats"
done
mkdir -p "$save_dir"
adb pull $there/out/. "$save_dir" >/dev/null
echo "results in $save_dir"
