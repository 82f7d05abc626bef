"""What gojunit.py must never do: let a failure go uncounted."""

import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).parent


def outcomes(*events):
    """The outcome of each testcase made of these events: (action, test) or a line as it is."""
    lines = [e if isinstance(e, str) else '{"Action":"%s","Package":"p","Test":"%s"}' % e for e in events]
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run([sys.executable, HERE / "gojunit.py", file.name], input="\n".join(lines), text=True, check=True,
                       stdout=subprocess.DEVNULL)
        return {case.get("name"): case[0].tag if len(case) else "passed"
                for case in ElementTree.parse(file.name).getroot().iter("testcase")}


class GoJunitTest(unittest.TestCase):
    def test_each_test_is_one_case_with_its_outcome(self):
        self.assertEqual(outcomes(("pass", "A"), ("fail", "B"), ("skip", "C"), '{"Action":"fail","Package":"p"}'),
                         {"A": "passed", "B": "failure", "C": "skipped"})

    def test_a_group_is_not_counted_besides_its_members(self):
        self.assertEqual(outcomes(("pass", "A/x"), ("fail", "A/y"), ("fail", "A")), {"A/x": "passed", "A/y": "failure"})

    def test_a_group_that_fails_by_itself_is(self):
        self.assertEqual(outcomes(("pass", "A/x"), ("fail", "A")), {"A/x": "passed", "A": "failure"})

    def test_a_package_that_does_not_build_is(self):
        self.assertEqual(outcomes("no go code here", '{"Action":"fail","Package":"p"}'), {"p": "failure"})

    def test_a_package_that_fails_after_its_tests_passed_is(self):
        self.assertEqual(outcomes(("pass", "A"), '{"Action":"fail","Package":"p"}'), {"A": "passed", "p": "failure"})


if __name__ == "__main__":
    unittest.main()
