#!/usr/bin/env bash
# Makes .venv and installs what `make run` or `make test` needs, once per set of pins.
# Usage: tools/setup.sh app|test        PYTHON=/path/to/python chooses the interpreter.
set -u
cd "$(dirname "$0")/.." || exit 1

purpose=${1:?app or test}
venv=.venv
log=$venv/setup.log
stamp=$venv/installed-$purpose

fail() { # what was found, what to do
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

note() { printf 'setup: %s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$candidate"
            return
        fi
    done
    return 1
}

has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }

pip_install() { "$venv/bin/python" -m pip install --disable-pip-version-check -q -c constraints.txt "$@" >>"$log" 2>&1; }

# An extra that can't be had here leaves its engine listed as unavailable, with the reason.
try_extra() {
    if pip_install -e ".[$1]"; then
        return 0
    fi
    note "the extra '$1' can't be installed here ($(grep -m1 '^ERROR' "$log" || echo "see $log")); its engine stays unavailable"
}

# PyPI's torch for Linux brings gigabytes of CUDA; PyTorch's own index has the CPU build.
cpu_index() {
    local url=https://download.pytorch.org/whl/cpu
    "$venv/bin/python" - "$url" <<'PY' 2>/dev/null && printf -- '--extra-index-url %s' "$url"
import sys, urllib.request
urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=5).close()
PY
}

if has_gpu; then frameworks=gpu; optional=tensorrt; else frameworks=cpu; optional=rtx; fi
wanted=$(printf '%s %s\n' "$purpose" "$frameworks" | cat - pyproject.toml constraints.txt | sha256sum)
if [ -x "$venv/bin/infer-tui" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

# What an earlier set-up without (or with) a GPU brought shares names with what is needed now, and
# pip would leave it as it is.
if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/frameworks" 2>/dev/null || echo "$frameworks")" != "$frameworks" ]; then
    note "this machine now needs the $frameworks engines: the others are removed first"
    "$venv/bin/python" -m pip uninstall -q -y torch onnxruntime onnxruntime-gpu >/dev/null 2>&1
fi

python=$(find_python) || fail "Python 3.11 or newer is needed, found $(python3 --version 2>&1 || echo none); install one and run: make PYTHON=/path/to/python3.12 ..."
if [ ! -x "$venv/bin/python" ]; then
    note "making $venv with $("$python" --version)"
    if ! "$python" -m venv "$venv" 2>/dev/null; then
        rm -rf "$venv" # half of one would be taken for whole the next time
        fail "$python can't make a virtual environment; install its venv module (Debian: apt install python3-venv)"
    fi
fi
: >"$log"

note "installing the app and its $frameworks engines (a few minutes the first time; log: $log)"
extras=$frameworks
[ "$purpose" = test ] && extras=$frameworks,test
index=
if [ "$frameworks" = cpu ]; then
    index=$(cpu_index) || note "PyTorch's own index does not answer: torch comes from pip's, which may be the CUDA build of some gigabytes"
fi
# shellcheck disable=SC2086  # the option and its value are two words
if ! pip_install $index -e ".[$extras]"; then
    if grep -qiE 'connection|resolution|network|timed out|No matching distribution' "$log"; then
        fail "pip can't download what is needed: no network or no package index; its words are in $log"
    fi
    fail "pip failed: $(grep -m1 '^ERROR' "$log" || tail -n 1 "$log"); all of it is in $log"
fi
try_extra "$optional"
command -v "${CXX:-g++}" >/dev/null || note "no C++ compiler: torch.compile stays unavailable on the CPU (Debian: apt install g++)"
[ -e "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] ||
    note "no headers of Python: torch.compile stays unavailable on the CPU (Debian: apt install python3-dev)"
printf '%s\n' "$frameworks" >"$venv/frameworks"
printf '%s\n' "$wanted" >"$stamp"
