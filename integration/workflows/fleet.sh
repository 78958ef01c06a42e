# Read by the workflows: a fleet that lasts as long as the script, and a short way to speak as one of its users.
#
#   JUPYTER_FLEET           the program, if it is not on PATH
#   JUPYTER_FLEET_EXISTING  the connection file of a fleet that runs already, with the runtimes of jupyter_fleet.toml
set -euo pipefail
workflows="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export JUPYTER_FLEET="${JUPYTER_FLEET:-jupyter-fleet}"
# Behind everything else: a real llmspell goes before the stand-in.
export PATH="$PATH:$workflows"

# The only place that says how `serve` is started.
serve=("$JUPYTER_FLEET" serve --ephemeral --config "$workflows/jupyter_fleet.toml")

say() {
    printf '\n# %s\n' "$*"
}

# as NAME ARGUMENTS: what NAME types is `jupyter-fleet exec ARGUMENTS`; each line that comes back begins with NAME.
as() {
    local name="$1"
    shift
    "$JUPYTER_FLEET" exec --timeout 60 "$@" 2>&1 | sed "s/^/$name: /"
}

# refused COMMAND...: runs what is expected to fail.
refused() {
    if "$@"; then
        echo "this should have failed: $*" >&2
        exit 1
    fi
}

start_fleet() {
    export JUPYTER_RUNTIME_DIR="$(mktemp -d)"
    "${serve[@]}" >"$JUPYTER_RUNTIME_DIR/serve.out" 2>"$JUPYTER_RUNTIME_DIR/serve.log" &
    fleet=$!
    trap stop_fleet EXIT
    for _ in $(seq 200); do
        grep -qs '^Connect with: ' "$JUPYTER_RUNTIME_DIR/serve.out" && return
        kill -0 "$fleet" 2>/dev/null || break
        sleep 0.1
    done
    cat "$JUPYTER_RUNTIME_DIR/serve.log" >&2
    echo "the fleet did not start" >&2
    exit 1
}

stop_fleet() {
    local code=$?
    kill "$fleet" 2>/dev/null || true
    wait "$fleet" || code=$?
    [ "$code" = 0 ] || cat "$JUPYTER_RUNTIME_DIR/serve.log" >&2
    rm -rf "$JUPYTER_RUNTIME_DIR"
    exit "$code"
}

[ -n "${JUPYTER_FLEET_EXISTING:-}" ] || start_fleet
