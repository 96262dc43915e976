#!/bin/sh
# The suite under settings that must not matter, one after the other; a line each. About ten minutes a setting on
# two fast cores. Run from the top folder, all of them or those that are named: sh tests/settings.sh seed busy
set -u
python=.venv/bin/python
suite="OMP_NUM_THREADS=1 $python -m pytest -n 2 --dist loadfile"

go() { # go NAME COMMAND...
    name=$1; shift
    log=$(mktemp)
    if env "$@" >"$log" 2>&1; then result=passed; else result=FAILED; fi
    echo "$name: $result, $(tail -n 1 "$log")"
    [ $result = passed ] || grep -E '^(FAILED|ERROR)' "$log"
    rm -f "$log"
}

busy() { # beside two loops that do nothing else
    (while :; do :; done) & one=$!
    (while :; do :; done) & two=$!
    go busy $suite
    kill $one $two
}

for setting in ${*:-plain seed two_threads no_onednn avx2 haswell one_process busy}; do
    case $setting in
        plain) go plain $suite ;;
        seed) go seed PADDLEPRUNE_TEST_SEED=1 $suite ;;
        two_threads) go two_threads OMP_NUM_THREADS=2 $python -m pytest -n 2 --dist loadfile ;;
        no_onednn) go no_onednn FLAGS_use_mkldnn=0 $suite ;;
        avx2) go avx2 ONEDNN_MAX_CPU_ISA=AVX2 $suite ;;
        haswell) go haswell OPENBLAS_CORETYPE=HASWELL $suite ;;
        one_process) go one_process OMP_NUM_THREADS=1 $python -m pytest -p xdist -n 1 ;;
        busy) busy ;;
        *) echo "$setting: not known" >&2; exit 2 ;;
    esac
done
