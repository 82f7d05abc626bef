"""The parity check finds each kind of difference between CMake's lists and Bazel's."""

import sys
import unittest

import bazel_parity
import targets

CMAKE = 'belfry_library(NAME wire HDRS a.h SRCS a.cc DEPS :proto PRIVATE_DEPS absl::strings)'
BUILD = 'belfry_library(name = "wire", hdrs = ["a.h"], srcs = ["a.cc"], deps = [":proto"], private_deps = ["absl::strings"])'


class BazelParityTest(unittest.TestCase):
    def setUp(self):
        bazel_parity.LEFT_OUT = {}

    def said(self, build):
        cmake = {target.name: target for target in targets.parse(CMAKE, "sdk")}
        return bazel_parity.differences(cmake, bazel_parity.read_build(build, "sdk"), ["sdk"])

    def test_equal_lists_pass(self):
        self.assertEqual(self.said(BUILD), [])

    def test_a_target_that_bazel_lacks_is_found(self):
        self.assertEqual(self.said(""), ["wire: only CMake has it"])

    def test_a_target_that_only_bazel_has_is_found(self):
        self.assertEqual(self.said(BUILD + '\nbelfry_library(name = "more")'), ["more: only Bazel has it"])

    def test_a_missing_source_is_found(self):
        self.assertEqual(self.said(BUILD.replace('"a.cc"', "")), ["wire: srcs lacks sdk/a.cc in Bazel"])

    def test_another_dependency_is_found(self):
        self.assertEqual(self.said(BUILD.replace(":proto", ":base")),
                         ["wire: deps lacks :proto in Bazel", "wire: deps has :base in Bazel only"])

    def test_a_public_dependency_that_is_private_in_cmake_is_found(self):
        moved = BUILD.replace('[":proto"]', '[":proto", "absl::strings"]').replace('private_deps = ["absl::strings"]', "")
        self.assertEqual(self.said(moved), ["wire: deps has absl::strings in Bazel only",
                                            "wire: private_deps lacks absl::strings in Bazel"])


if __name__ == "__main__":
    sys.exit(unittest.main())
