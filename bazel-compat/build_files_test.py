"""The BUILD files say what CMake says, and a dependency that none of them defines is found."""

import pathlib
import sys
import tempfile
import unittest

import build_files
import targets

WIRE = "belfry_library(NAME wire HDRS a.h SRCS a.cc DEPS :proto PRIVATE_DEPS absl::strings DEFINES ONE)"
PROTO = "belfry_proto(NAME proto PROTOS v1/x.proto)"


def parsed(**folders):
    found = {}
    for folder, text in folders.items():
        for target in targets.parse(text, folder.replace("__", "/")):
            found[target.name] = target
    return found


class BuildFilesTest(unittest.TestCase):
    def setUp(self):
        build_files.LEFT_OUT = {}

    def test_each_room_gets_a_file_with_its_targets(self):
        texts = build_files.build_files(parsed(proto=PROTO, sdk__wire=WIRE))
        self.assertEqual(sorted(texts), ["proto", "sdk"])
        self.assertIn('protos = ["v1/x.proto"]', texts["proto"])
        for line in ('name = "wire"', 'srcs = ["wire/a.cc"]', 'hdrs = ["wire/a.h"]', 'defines = ["ONE"]', 'deps = ["//proto:proto"]'):
            self.assertIn(line, texts["sdk"])

    def test_a_dependency_that_no_file_defines_is_found(self):
        with self.assertRaisesRegex(build_files.UnknownDependency, "wire: no BUILD file defines its dependency :proto"):
            build_files.build_files(parsed(sdk__wire=WIRE))

    def test_a_dependency_on_what_is_left_out_is_found(self):
        build_files.LEFT_OUT = {"proto": "for this test"}
        with self.assertRaisesRegex(build_files.UnknownDependency, "wire: .*:proto"):
            build_files.build_files(parsed(proto=PROTO, sdk__wire=WIRE))

    def test_what_is_left_out_must_be_a_target(self):
        build_files.LEFT_OUT = {"gone_test": "for this test"}
        with self.assertRaisesRegex(build_files.UnknownDependency, "gone_test"):
            build_files.build_files(parsed(proto=PROTO))

    def test_check_finds_an_old_file_a_missing_one_and_one_of_no_room(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "proto").mkdir()
            (root / "proto" / "CMakeLists.txt").write_text(PROTO)
            (root / "bazel-compat").mkdir()
            self.assertEqual(build_files.main(["-check", folder]), 1)
            self.assertEqual(build_files.main([folder]), 0)
            self.assertEqual(build_files.main(["-check", folder]), 0)
            (root / "bazel-compat" / "proto" / "BUILD").write_text("")
            self.assertEqual(build_files.main(["-check", folder]), 1)
            build_files.main([folder])
            (root / "bazel-compat" / "gone").mkdir()
            (root / "bazel-compat" / "gone" / "BUILD").write_text("")
            self.assertEqual(build_files.main(["-check", folder]), 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
