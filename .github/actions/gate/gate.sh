#!/usr/bin/env bash
# The steps of the action. Inputs arrive as environment variables and are never part of a command
# line that a shell parses, so that no text in them can run anything.
set -euo pipefail

folder=.crossmath
baseline=$folder/baseline.jsonl
record=$folder/gate.jsonl

# Appends to `options` one option for each line of a text that is not empty.
options=()
add() {
    local line
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        if [ -n "$line" ]; then options+=("$1$line"); fi
    done <<< "$2"
}

case $1 in
    key)
        version=$(python -c 'import importlib.metadata as m; print(m.version("pytest-crossmath"))')
        digest=$(printf '%s\0' "$BASELINE_MODEL" "$BASELINE_KEY" "$SUITE" "$ARGUMENTS" "$version" \
            | sha256sum | cut -c1-32)
        echo "key=$digest"
        ;;
    baseline)
        if [ -e "$baseline" ]; then exit 0; fi
        add "" "$ARGUMENTS"
        # An interrupted run must not become the baseline of later runs.
        trap 'rm -f "$baseline"' ERR
        python -m pytest crossmath --crossmath-model="$BASELINE_MODEL" --crossmath-suite="$SUITE" \
            --crossmath-record="$baseline" "${options[@]}"
        ;;
    judge)
        add --crossmath-fail-under= "$FAIL_UNDER"
        add --crossmath-max-gap= "$MAX_GAP"
        add --crossmath-compare-fail= "$COMPARE_FAIL"
        add "" "$ARGUMENTS"
        if [ -n "$BASELINE_RECORD" ]; then
            options+=("--crossmath-compare=$BASELINE_RECORD")
        elif [ -n "$BASELINE_MODEL" ]; then
            options+=("--crossmath-compare=$baseline")
        fi
        rm -f "$record"
        echo "record=$record" >> "${GITHUB_OUTPUT:-/dev/null}"
        # The job's summary and the annotations are written by the plugin.
        python -m pytest crossmath --crossmath-model="$MODEL" --crossmath-suite="$SUITE" \
            --crossmath-record="$record" --crossmath-markdown="$folder/gate.md" \
            --junit-xml="$folder/gate.xml" --crossmath-inconclusive="$INCONCLUSIVE" \
            "${options[@]}"
        ;;
    *)
        echo "usage: gate.sh key|baseline|judge" >&2
        exit 2
        ;;
esac
