#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The steps of a benchmark in CI, one at a time: ascmcu.yml (GitHub) and ascmcu.gitlab-ci.yml call them in turn.
#
# usage: bash ci/ascmcu.sh wheel|tools|install|renode|bench|same|base|compare|page|robot
#
#   MODEL     the .tflite in the repository
#   FEATURES  what the model hears: a specification's name or a TOML in the repository; empty: the model brings its own
#   CLIPS     recordings in the repository: a folder per class, or with a meta.csv
#   TENSORS   instead of CLIPS: a .npy of the network's inputs; then FEATURES is not needed
#   BOARD     one of `ascmcu boards list`
#   ASCMCU    what pip makes the wheel of: a wheel, a checkout's folder, or git+https://HOST/PATH@TAG
#   RUNNER    sim, qemu or renode
#   LIMIT     the most clips to run; empty: all
#   BASE      the commit to compare with; empty, or without the model: nothing is compared, and the step says so
#   RENODE    the release of Renode, 1.16.1 or newer
set -euo pipefail

renode_home=${RENODE_HOME:-$HOME/renode}
if [ "${RUNNER:-}" = renode ]; then
    export ASCMCU_RENODE="$renode_home/renode"
fi
features=()
if [ -n "${FEATURES:-}" ]; then
    features=(--features "$FEATURES")
fi
clips=(--data "${CLIPS:-}")
if [ -n "${TENSORS:-}" ]; then
    clips=(--tensors "$TENSORS")
fi
if [ -n "${LIMIT:-}" ]; then
    clips+=(--limit "$LIMIT")
fi

step_wheel() { # once, for all jobs
    # A pattern may stand there. shellcheck disable=SC2086
    python -m pip wheel --no-deps --wheel-dir wheel $ASCMCU
}

step_tools() {
    local sudo
    sudo=$(command -v sudo || true)
    $sudo apt-get update
    $sudo apt-get install --yes gcc gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm curl git
}

step_install() {
    python -m pip install wheel/*.whl
}

step_renode() {
    [ "$RUNNER" = renode ] || return 0
    mkdir -p "$renode_home"
    curl --fail --location --silent --show-error \
        "https://github.com/renode/renode/releases/download/v$RENODE/renode-$RENODE.linux-portable.tar.gz" |
        tar --extract --gzip --strip-components 1 --directory "$renode_home"
}

step_bench() { # sizes, cycles or instructions, accuracy
    rm -f result.json
    ascmcu export "$MODEL" --board "$BOARD" ${features[@]+"${features[@]}"} --output build
    ascmcu bench build --on "$RUNNER" "${clips[@]}" --save-outputs outputs.npy --json > result.json.part
    mv result.json.part result.json
}

step_same() { # the board's code gives the bits of the host's
    ascmcu bench build --on host "${clips[@]}" --save-outputs outputs-host.npy --quiet
    cmp outputs-host.npy outputs.npy
}

step_base() {
    local held
    rm -rf base build-base result-base.json{,.part} base-failed.txt # of an earlier run in the same folder
    git worktree prune
    if [ "$RUNNER" != sim ]; then
        echo "nothing is compared: $RUNNER counts instructions, budgets are of cycles"
        return 0
    fi
    if [ -z "${BASE:-}" ]; then
        echo "nothing is compared: BASE is empty"
        return 0
    fi
    if ! git cat-file -e "$BASE^{commit}" 2> /dev/null && ! git fetch --quiet --depth 1 origin "$BASE"; then
        echo "error: the base commit $BASE is neither in this clone nor to be fetched; no budget was checked." >&2
        echo "  hint: clone the whole history (fetch-depth: 0, GIT_DEPTH: 0); after a force push run anew" >&2
        return 1
    fi
    held=$(git ls-tree "$BASE" -- "$MODEL")
    if [ -z "$held" ]; then
        echo "nothing is compared: the base $BASE holds no $MODEL"
        return 0
    fi
    git worktree add --quiet --detach base "$BASE"
    if ! bench_base 2> base-failed.txt; then
        rm -f result-base.json.part
        echo "the base $BASE could not be measured, nothing is compared:" >&2
        cat base-failed.txt >&2
        return 0
    fi
    cat base-failed.txt >&2
    rm base-failed.txt
}

bench_base() { # Each command says itself that it failed: inside a condition `set -e` does not hold.
    local features_base=(${features[@]+"${features[@]}"})
    if [ -e "base/${FEATURES:-}" ] && [ -n "${FEATURES:-}" ]; then
        features_base=(--features "base/$FEATURES")
    fi
    ascmcu export "base/$MODEL" --board "$BOARD" ${features_base[@]+"${features_base[@]}"} --output build-base &&
        ascmcu bench build-base --on "$RUNNER" "${clips[@]}" --json > result-base.json.part &&
        mv result-base.json.part result-base.json
}

# Budgets are of what is the same on every machine: the simulator's cycles, and bytes.
step_compare() {
    local budgets=(--budget cycles=+1% --budget ram=+0 --budget flash=+512)
    if [ -z "${TENSORS:-}" ]; then # tensors have no right answers
        budgets+=(--budget accuracy=-0.5%)
    fi
    if [ -f result-base.json ]; then
        ascmcu compare result-base.json result.json --format markdown > table.md
        cat table.md >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
        ascmcu compare result-base.json result.json --format junit "${budgets[@]}" > junit.xml
    else
        ascmcu report result.json --format markdown > table.md
        if [ -f base-failed.txt ]; then
            {
                printf '\n**The base %s could not be measured: no budget was checked.**\n\n' "$BASE"
                tail -n 40 base-failed.txt | sed 's/^/    /'
            } >> table.md
        fi
        cat table.md >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
        ascmcu report result.json --format junit > junit.xml
        echo "no budget was checked: there is no result of a base"
    fi
}

step_page() {
    ascmcu report result.json --export build --output report.html
}

step_robot() { # a golden input through Renode's own test program
    [ "$RUNNER" = renode ] || return 0
    python -m pip install --requirement "$renode_home/tests/requirements.txt"
    "$renode_home/renode-test" build/renode.robot -r robot
}

"step_$1"
