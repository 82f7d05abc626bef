"""The rooms check finds what it is there to find: each case is a small tree with one breach."""

import pathlib
import sys
import tempfile
import unittest

import rooms

GOOD = {
    "proto/CMakeLists.txt": "belfry_proto(NAME proto PROTOS vault/event.proto)",
    "base/CMakeLists.txt": "belfry_library(NAME base HDRS clock.h)",
    "base/clock.h": "",
    "server/bus/CMakeLists.txt": "belfry_library(NAME bus HDRS bus.h SRCS bus.cc DEPS :base)",
    "server/bus/bus.h": '#include "base/clock.h"\n',
    "server/bus/bus.cc": '#include "server/bus/bus.h"\n',
    "server/http/CMakeLists.txt": "belfry_library(NAME http HDRS server.h SRCS server.cc PRIVATE_DEPS :bus)",
    "server/http/server.h": "",
    "server/http/server.cc": '#include "server/bus/bus.h"\n',
    "sdk/CMakeLists.txt": "belfry_library(NAME sdk_headers HDRS include/belfry/engine.h)",
    "sdk/include/belfry/engine.h": "",
}


class RoomsTest(unittest.TestCase):
    def breaches(self, **changes):
        """What the check says of the good tree with some files replaced or added."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**GOOD, **changes}.items():
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return rooms.Check(root).run()

    def expect(self, breach, **changes):
        self.assertEqual(self.breaches(**changes), [breach])

    def test_a_tree_that_keeps_to_its_rooms_passes(self):
        self.assertEqual(self.breaches(), [])

    def test_an_include_of_a_target_that_is_not_named_is_found(self):
        self.expect("server/http/server.cc:1: base/clock.h belongs to base, which http does not name in DEPS or PRIVATE_DEPS",
                    **{"server/http/server.cc": '#include "base/clock.h"\n'})

    def test_a_private_dependency_does_not_serve_a_header(self):
        self.expect("server/http/server.h:1: server/bus/bus.h belongs to bus, which http does not name in DEPS",
                    **{"server/http/server.h": '#include "server/bus/bus.h"\n'})

    def test_an_arrow_against_the_design_is_found_in_the_build_rules(self):
        self.expect("base/CMakeLists.txt: base may not use server/bus",
                    **{"base/CMakeLists.txt": "belfry_library(NAME base HDRS clock.h DEPS :bus)"})

    def test_a_way_out_of_the_folder_is_found(self):
        self.expect("server/bus/bus.cc:1: ../base/clock.h climbs out of its folder",
                    **{"server/bus/bus.cc": '#include "../base/clock.h"\n'})

    def test_a_header_that_no_target_lists_is_found(self):
        self.expect("server/bus/extra.h: belongs to no target", **{"server/bus/extra.h": ""})

    def test_rocksdb_outside_of_the_storage_is_found(self):
        self.expect("server/bus/bus.cc:1: only server/storage may see rocksdb/db.h",
                    **{"server/bus/bus.cc": '#include "rocksdb/db.h"\n'})

    def test_a_socket_in_the_bus_is_found(self):
        self.expect("server/bus/bus.cc:1: server/bus may not see boost/asio/ip/tcp.hpp",
                    **{"server/bus/bus.cc": "#include <boost/asio/ip/tcp.hpp>\n"})

    def test_grpc_in_a_public_header_is_found(self):
        self.expect("sdk/include/belfry/engine.h:1: sdk/include may not see grpcpp/grpcpp.h",
                    **{"sdk/include/belfry/engine.h": "#include <grpcpp/grpcpp.h>\n"})

    def test_a_public_header_that_nobody_reads_to_its_end_is_found(self):
        self.expect("sdk/include/belfry/engine.h: 250 lines, more than 249", **{"sdk/include/belfry/engine.h": "\n" * 250})

    def test_a_source_that_no_target_builds_is_found(self):
        self.expect("server/bus/lost.cc: belongs to no target", **{"server/bus/lost.cc": ""})

    def test_a_header_that_no_target_lists_is_found_even_where_programs_are(self):
        self.expect("server/bus/lost.h: belongs to no target",
                    **{"server/bus/lost.h": "", "base/CMakeLists.txt": GOOD["base/CMakeLists.txt"],
                       "server/bus/CMakeLists.txt": GOOD["server/bus/CMakeLists.txt"] + "\nbelfry_test(NAME bus_test SRCS t.cc)"})


if __name__ == "__main__":
    sys.exit(unittest.main())
