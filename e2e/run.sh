#!/usr/bin/env bash
# Runs the end-to-end tests; arguments go to pytest. What the clients need is installed once per change of what pins it.
set -euo pipefail
cd "$(dirname "$0")"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/cupola/e2e"

hash_of() { cat "$@" | sha256sum | cut -c1-16; }

# A folder is named by its contents and appears under its name only when it is whole.
python="$cache/python-$(hash_of requirements.txt)"
if [ ! -x "$python/bin/pytest" ]; then
  rm -rf "$python"
  mkdir -p "$cache"
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt || { rm -rf "$python"; exit 1; }
fi

aws="$cache/aws-$(hash_of requirements-aws.txt)"
if [ ! -x "$aws/bin/aws" ]; then
  rm -rf "$aws"
  python3 -m venv "$aws"
  "$aws/bin/pip" install --quiet --disable-pip-version-check -r requirements-aws.txt || { rm -rf "$aws"; exit 1; }
fi

honeycomb="$cache/honeycomb-$(hash_of requirements-honeycomb.txt)"
if [ ! -x "$honeycomb/bin/python" ]; then
  rm -rf "$honeycomb"
  python3 -m venv "$honeycomb"
  "$honeycomb/bin/pip" install --quiet --disable-pip-version-check -r requirements-honeycomb.txt || { rm -rf "$honeycomb"; exit 1; }
fi

# The clients for Node of a folder, installed.
node_of() {
  local folder="$cache/$1-$(hash_of "$1/package.json" "$1/package-lock.json")"
  if [ ! -d "$folder/node_modules" ]; then
    rm -rf "$folder.part"
    mkdir -p "$folder.part"
    cp "$1/package.json" "$1/package-lock.json" "$folder.part/"
    (cd "$folder.part" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2
    rm -rf "$folder"
    mv "$folder.part" "$folder"
  fi
  echo "$folder"
}

node="$(node_of node)"
honeycomb_node="$(node_of honeycomb-node)"

export CUPOLA_E2E_HONEYCOMB="$honeycomb" CUPOLA_E2E_HONEYCOMB_NODE="$honeycomb_node"
export CUPOLA_E2E_NODE="$node" CUPOLA_E2E_AWS="$aws"
exec "$python/bin/python" -B -m pytest -p no:cacheprovider -q "$@"
