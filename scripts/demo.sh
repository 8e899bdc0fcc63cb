#!/usr/bin/env bash
# Trains all four buckets on the sample market with a daemon of its own; leaves no process behind.
set -euo pipefail

bin=$1
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$root/demo"
export BTC_AI_CONFIG=$root/demo/btc_ai.json
BTC_AI_RUNTIME_DIR=$(mktemp -d "${TMPDIR:-/tmp}/btc-ai-demo.XXXXXX")
export BTC_AI_RUNTIME_DIR

finish() {
    "$bin/btc-ai" --quiet daemon stop 2>/dev/null || true
    rm -rf "$BTC_AI_RUNTIME_DIR"
}
trap finish EXIT

"$bin/btc-ai" --quiet config init "$BTC_AI_CONFIG" --force
"$bin/btc-ai" data sample
"$bin/btc-ai" train --market sample --sequence Scalping Short Medium Long --episodes 50
"$bin/btc-ai" show --history >"$root/demo/run.txt"
"$bin/btc-ai" report --output "$root/demo/report.html"

cat <<TEXT

The market above is synthetic: its weak signal was planted, so the agents have something to find.
  report          demo/report.html   (open it in a browser; btc-ai report makes it, also as PDF)
  models          demo/Models/<bucket>/latest/   (model.safetensors, model.json, metrics.jsonl)
  every episode   demo/run.txt
  logs            demo/Logs/btc_ai.log
  candles         demo/Data/
Next: your own candles (README, "Real data").
TEXT
