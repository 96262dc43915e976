# For `.`: trainings of $config in $out, with $seed and settings $common, each made once.
python=${PYTHON:-python}

go() { # NAME OPTIONS...      the last option is --set and its settings
    name=$1; shift
    [ -e "$out/$name/metrics.json" ] && return
    # shellcheck disable=SC2086
    $python tools/train.py --config $config --save_dir "$out/$name" "$@" ${common:-} "train.seed=$seed"
}
