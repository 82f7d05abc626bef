#!/usr/bin/env python3
"""The check itself can fail."""

import os
import sys
import tempfile
import unittest

import compile_fail

COMPILER = sys.argv.pop(1)


class CompileFail(unittest.TestCase):
    def fault(self, text):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "case.cc")
            with open(file, "w", encoding="utf-8") as source:
                source.write(text)
            return compile_fail.fault(file, [COMPILER])

    def test_a_misuse_that_is_refused_in_the_right_words_is_fine(self):
        self.assertIsNone(self.fault("// EXPECT: no such thing\n#ifdef MISUSE\n#error no such thing\n#endif\n"))

    def test_a_misuse_that_compiles_is_a_fault(self):
        self.assertEqual(self.fault("// EXPECT: x\nint x;\n"), "the misuse compiles")

    def test_other_words_are_a_fault(self):
        self.assertIn("does not match 'these words'", self.fault("// EXPECT: these words\n#ifdef MISUSE\n#error other ones\n#endif\n"))

    def test_words_that_come_after_the_first_error_are_a_fault(self):
        text = "// EXPECT: these words\n#ifdef MISUSE\n#error other ones\n#error these words\n#endif\n"
        self.assertIn("does not match 'these words'", self.fault(text))

    def test_a_twin_that_does_not_compile_is_a_fault(self):
        self.assertIn("correct twin does not compile", self.fault("// EXPECT: x\n#error x\n"))

    def test_a_case_without_words_is_a_fault(self):
        self.assertIn("has no line", self.fault("int x;\n"))


if __name__ == "__main__":
    unittest.main()
