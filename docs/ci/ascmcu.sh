#!/usr/bin/env bash
# The steps of a benchmark in CI, one at a time: ascmcu.yml (GitHub) and ascmcu.gitlab-ci.yml call them in turn.
#
# usage: bash ci/ascmcu.sh wheel|tools|install|renode|bench|same|base|compare|page|robot
#
#   MODEL   the .tflite in the repository
#   CLIPS   recordings in the repository: a folder per class, or with a meta.csv
#   BOARD   one of `ascmcu boards list`
#   ASCMCU  what pip makes the wheel of: a wheel, a checkout's folder, or git+https://HOST/PATH@TAG
#   RUNNER  sim, qemu or renode
#   LIMIT   the most clips to run; empty: all
#   BASE    the commit to compare with; empty, or without the model: nothing is compared
#   RENODE  the release of Renode, 1.16.1 or newer
set -euo pipefail

renode_home=${RENODE_HOME:-$HOME/renode}
if [ "${RUNNER:-}" = renode ]; then
    export ASCMCU_RENODE="$renode_home/renode"
fi
clips=(--data "${CLIPS:-}")
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
    ascmcu export "$MODEL" --board "$BOARD" --output build
    ascmcu bench build --on "$RUNNER" "${clips[@]}" --save-outputs outputs.npy --json > result.json
}

step_same() { # the board's code gives the bits of the host's
    ascmcu bench build --on host "${clips[@]}" --save-outputs outputs-host.npy --quiet
    cmp outputs-host.npy outputs.npy
}

step_base() {
    rm -rf base result-base.json # of an earlier run in the same folder
    git worktree prune
    if [ "$RUNNER" != sim ] || [ -z "${BASE:-}" ] || ! git cat-file -e "$BASE:$MODEL"; then
        return 0
    fi
    git worktree add --quiet --detach base "$BASE"
    ascmcu export "base/$MODEL" --board "$BOARD" --output build-base
    ascmcu bench build-base --on "$RUNNER" "${clips[@]}" --json > result-base.json
}

# Budgets are of what is the same on every machine: the simulator's cycles, and bytes.
step_compare() {
    if [ -f result-base.json ]; then
        ascmcu compare result-base.json result.json --format markdown > table.md
        cat table.md >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
        ascmcu compare result-base.json result.json --format junit \
            --budget cycles=+1% --budget ram=+0 --budget flash=+512 --budget accuracy=-0.5% > junit.xml
    else
        ascmcu report result.json --format markdown > table.md
        cat table.md >> "${GITHUB_STEP_SUMMARY:-/dev/null}"
        ascmcu report result.json --format junit > junit.xml
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
