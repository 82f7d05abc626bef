#!/usr/bin/env bash
# Builds every room with Debian's Bazel, without a network, and runs the tests that need nothing else. `./dev bazel` calls it.
# usage: build.sh [TARGET...]   only these are built then, for instance //sdk/... or //plugins/notes:all, and only their tests run
#        build.sh -nobuild      only loads and analyses every BUILD file
#
# The BUILD files here stand beside nobody's sources: they and the sources are brought together in build/bazel, by symbolic links.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
project=$(dirname "$PWD")
workspace=$project/build/bazel

rm -rf "$workspace"
mkdir -p "$workspace/rules_cc/cc"
find . -name BUILD -printf '%P\n' | cut -d/ -f1 | sort -u | while read -r folder; do cp -rs "$project/$folder" "$workspace/$folder"; done
find . -name BUILD | while read -r file; do ln -s "$PWD/$file" "$workspace/$file"; done
ln -s "$PWD/belfry.bzl" "$workspace/belfry.bzl"
touch "$workspace/BUILD"
echo 'workspace(name = "belfry")' >"$workspace/WORKSPACE"
{
  echo "VERSION = \"$(sed -n 's/^project(belfry VERSION \([0-9.]*\).*/\1/p' ../CMakeLists.txt)\""
  echo 'LINKOPTS = ['
  for option in $(pkg-config --libs grpc++ protobuf absl_status absl_statusor absl_strings absl_str_format absl_time re2 openssl spdlog \
    libutf8proc prometheus-cpp-core rocksdb zlib) -lgrpc++_reflection -lboost_json -lboost_program_options -lpthread; do
    echo "    \"$option\","
  done
  echo ']'
} >"$workspace/system.bzl"

# Debian's rules_cc is too new for its Bazel; the native rules under its name are all that is needed.
echo 'workspace(name = "rules_cc")' >"$workspace/rules_cc/WORKSPACE"
echo 'toolchain_type(name = "toolchain_type", visibility = ["//visibility:public"])' >"$workspace/rules_cc/cc/BUILD"
{
  for rule in cc_library cc_binary cc_test cc_import cc_proto_library cc_toolchain cc_toolchain_suite objc_library fdo_profile \
    cc_toolchain_alias; do
    echo "$rule = native.$rule"
  done
  printf '%s = "%s"\n' cc_flags_supplier cc_flags_supplier compiler_flag compiler_flag
} >"$workspace/rules_cc/cc/defs.bzl"

# Bazel wants to download this for any cc_test; it is used only where coverage is asked for.
mkdir "$workspace/remote_coverage_tools"
echo 'workspace(name = "remote_coverage_tools")' >"$workspace/remote_coverage_tools/WORKSPACE"
echo 'filegroup(name = "coverage_report_generator", visibility = ["//visibility:public"])' >"$workspace/remote_coverage_tools/BUILD"

share=/usr/share/bazel
cd "$workspace"
options=(
  --override_repository=rules_cc="$workspace/rules_cc"
  --override_repository=remote_coverage_tools="$workspace/remote_coverage_tools"
  --override_repository=rules_java=$share/rules/java
  --override_repository=rules_proto=$share/rules/proto
  --override_repository=platforms=$share/tools/platforms
  --override_repository=bazel_skylib=$share/tools/skylib
  --jobs="$(nproc)"
)
bazel --batch build "${options[@]}" --nobuild //...
if [[ ${1:-} == -nobuild ]]; then exit; fi
targets=("${@:-//...}")
bazel --batch build "${options[@]}" "${targets[@]}"
# The path of a Unix socket has 107 characters at most, fewer than Bazel's own folder for tests may have.
scratch=$(mktemp -d /tmp/bazel.XXXX)
trap 'rm -rf "$scratch"' EXIT
bazel --batch test "${options[@]}" --test_tmpdir="$scratch" --test_output=errors "${targets[@]}"
