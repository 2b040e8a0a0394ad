#!/usr/bin/env bash
# The steps of the action: install, key, baseline, judge. Inputs arrive as environment variables
# and are never part of a command line that a shell parses, so that no text in them can run
# anything. Written for bash 3.2 too, which is what macOS has.
set -euo pipefail

folder=.crossmath
python=${CROSSMATH_PYTHON:-python}
not_measured=6

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

output() { printf '%s=%s\n' "$1" "${2//$'\n'/ }" >> "${GITHUB_OUTPUT:-/dev/null}"; }

make_folder() {
    mkdir -p "$folder"
    if [ ! -e "$folder/.gitignore" ]; then echo '*' > "$folder/.gitignore"; fi
}

ask() { "$python" -m pytest_crossmath.plugin.action "$@"; }

# How the baseline is run: sets `asked`, and its record's name, `baseline`.
plan_baseline() {
    local line gates='^--crossmath-(stop-early|fail-under|max-gap|compare|compare-fail|inconclusive)(=|$)'
    options=()
    add "" "$ARGUMENTS"
    for line in ${options[@]+"${options[@]}"}; do
        if [[ $line =~ $gates ]]; then
            echo "::error title=crossmath::--crossmath-${BASH_REMATCH[1]} is for the model that" \
                "is judged, and arguments are for the baseline too: write it in gate-arguments"
            exit 4
        fi
    done
    # A rule in the ini file for stopping early is for the model that is judged as well.
    asked=(crossmath "--crossmath-model=$BASELINE_MODEL" "--crossmath-suite=$SUITE"
        ${options[@]+"${options[@]}"} -o crossmath_stop_early=)
    key=$(ask key "$BASELINE_KEY" -- "${asked[@]}")
    baseline=$folder/baseline-$key.jsonl
}

case ${1:-} in
    install)
        for name in python python3; do
            if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
                python=$name
                break
            fi
            python=
        done
        if [ -z "$python" ]; then
            echo "::error title=crossmath::There is no Python 3.11 or newer: set python-version"
            exit 4
        fi
        # An environment of its own: nothing is installed into the runner's Python, and two uses
        # in one job do not meet.
        place=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/crossmath.XXXXXX")
        "$python" -m venv "$place"
        python=$place/bin/python
        if [ ! -e "$python" ]; then python=$place/Scripts/python.exe; fi
        add "" "${PACKAGE:-$GITHUB_ACTION_PATH/../../..[transformers,openai]}"
        "$python" -m pip install ${options[@]+"${options[@]}"}
        output python "$python"
        ;;
    key)
        make_folder
        plan_baseline
        output key "$key"
        ;;
    baseline)
        make_folder
        plan_baseline
        if [ -e "$baseline" ] && ask check "$baseline" 0 -- "${asked[@]}"; then exit 0; fi
        rm -f "$baseline"
        draft=$(mktemp -d "$folder/baseline.XXXXXX")
        status=0
        # The last of two equal options holds.
        "$python" -m pytest "${asked[@]}" --crossmath-record="$draft/run.jsonl" || status=$?
        if [ "$status" -gt 1 ]; then exit "$status"; fi
        # Only a whole record becomes the baseline of later runs.
        if ! ask check "$draft/run.jsonl" "$status" -- "${asked[@]}"; then exit $not_measured; fi
        if [ "$status" = 1 ]; then
            echo "::warning title=crossmath::A test failed while the baseline was run. Its" \
                "responses are complete, so they are compared with"
        fi
        mv "$draft/run.jsonl" "$baseline"
        rmdir "$draft"
        output made true
        ;;
    judge)
        make_folder
        # A new folder: two uses in one job, or in one workspace, keep their files apart.
        files=$(mktemp -d "$folder/gate.XXXXXX")
        name=crossmath-${GITHUB_JOB:-gate}-${files##*.}
        if [ "$ARTIFACT" != auto ]; then name=$ARTIFACT; fi
        # On Windows other steps do not understand /d/a/…, which is Git's bash alone.
        here=$(pwd -W 2> /dev/null || pwd)
        output artifact "$name"
        output files "$here/$files"
        output record "$here/$files/gate.jsonl"
        output report "$here/$files/gate.md"
        output status not-measured
        compare=()
        if [ -n "$BASELINE_RECORD" ]; then
            compare=("--crossmath-compare=$BASELINE_RECORD")
        elif [ -n "$BASELINE_MODEL" ]; then
            plan_baseline
            if ! ask check "$baseline" 0 -- "${asked[@]}"; then exit $not_measured; fi
            cp "$baseline" "$files/baseline.jsonl"
            compare=("--crossmath-compare=$baseline")
        fi
        options=()
        add --crossmath-fail-under= "$FAIL_UNDER"
        add --crossmath-max-gap= "$MAX_GAP"
        add --crossmath-compare-fail= "$COMPARE_FAIL"
        add "" "$ARGUMENTS"
        add "" "$GATE_ARGUMENTS"
        status=0
        # The job's summary and the annotations are written by the plugin.
        "$python" -m pytest crossmath --crossmath-model="$MODEL" --crossmath-suite="$SUITE" \
            --crossmath-inconclusive="$INCONCLUSIVE" \
            ${compare[@]+"${compare[@]}"} ${options[@]+"${options[@]}"} \
            --crossmath-record="$files/gate.jsonl" --crossmath-markdown="$files/gate.md" \
            --junit-xml="$files/gate.xml" || status=$?
        # The last of two equal outputs holds.
        output status "$(ask word "$status" "$files/gate.jsonl" "$files/gate.xml")"
        exit "$status"
        ;;
    *)
        echo "usage: gate.sh install|key|baseline|judge" >&2
        exit 2
        ;;
esac
