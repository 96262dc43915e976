# For `.`: trainings of $config in $out, with $seed and settings $common, each made once. One that was broken off goes on.
python=${PYTHON:-python}

go() { # NAME OPTIONS...      the last option is --set and its settings
    name=$1; shift
    [ -e "$out/$name/metrics.json" ] && return
    # shellcheck disable=SC2086
    $python tools/train.py --config $config --save_dir "$out/$name" "$@" ${common:-} "train.seed=$seed"
}

again() { # NAME SETTINGS...   goes on from the run `dense`, or, *_finished, from the one that was trained on, with $later
    from=dense
    case $1 in *_finished) from=on ;; esac
    name=$1; shift
    # shellcheck disable=SC2086
    go "$name" --pretrain_weights "$out/$from/best_model" --set ${later:-} "$@"
}
