"""Random operations on a kv mount, from one seed. Few keys, so that operations meet; every shape of input that the API knows, and those
that it does not. What a difference on purpose would let the two mounts drift apart with is left out here: test_kv.py tries it by name.
"""

import dataclasses
import json
import random
import urllib.parse

PATCH = "application/merge-patch+json"


@dataclasses.dataclass
class Operation:
    method: str
    path: str  # Below the mount, percent-encoded, with the query.
    body: str | None = None
    content_type: str | None = None

    def __str__(self):
        said = f"{self.method} {self.path or '(the mount itself)'}"
        return said + (f" as {self.content_type!r}" if self.content_type is not None else "") + ("" if self.body is None else f" {self.body}")


def members(pairs):
    """A JSON object of names and values that are JSON already."""
    return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in pairs) + "}"


def patched(body, path):
    return Operation("PATCH", path, body, PATCH)


class Generator:
    """What both versions of kv have in common. Weights say how often something comes, beside its siblings."""

    MEETING = ["a", "a/b", "a/b/c", "b", "B"]
    STRANGE = ["d.o.t.s", ".d", "with space", "ünï/çødé", "x+y", "per%cent", "q?m", "h#sh", "-_~", "日本", "%41", "a&b=c", "'\"<>", "n/" * 9 + "n"]
    NAMES = ["a", "b", "c", "x", "ü", "", "A", "data", "a b", "keys", "error", "path", "<&>"]
    TEXTS = ["", "a", "b", "1", "ü", "\0", "<a&b>", "\u2028", "a\nb", "日本語", "x" * 300, "true", "1h", "{}", '"', "\\"]
    NUMBERS = ["0", "1", "2", "-1", "3", "1.5", "1.0", "1.50", "1e3", "-0", "0.1", "1e-7", "1e21", "123456789012", "9007199254740993",
               "12345678901234567890", "-12345678901234567890"]
    JUNK = [None, "", " ", "null", "{}", "[]", "[1]", "{bad", '"x"', "1", "{}x", '{"a":1}', '{"data":{}} more', '{"data":{"a":1},"data":{"b":2}}',
            "[" * 200 + "]" * 200, '{"data":' * 50 + "{}" + "}" * 50, '{"data":' * 400 + "{}" + "}" * 400, "a=b&c=d", '{"\\ud800":1}', "{'a':1}", "NaN"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def one(self, *choices):
        return self.random.choice(choices)

    def often(self, *weighted):
        """One of (choice, weight); a choice that can be called makes what it stands for."""
        (choice,) = self.random.choices([choice for choice, _ in weighted], [weight for _, weight in weighted])
        return choice() if callable(choice) else choice

    def chance(self, probability):
        return self.random.random() < probability

    def key(self):
        return urllib.parse.quote(self.random.choice(self.MEETING if self.chance(0.85) else self.STRANGE))

    def text(self):
        return json.dumps(self.random.choice(self.TEXTS), ensure_ascii=self.chance(0.5))

    def value(self, depth=0):
        deeper = 3 if depth < 4 else 0
        return self.often((self.text, 5), (lambda: self.random.choice(self.NUMBERS), 4), ("null", 2), ("true", 1), ("false", 1),
                          (lambda: self.object(depth + 1), deeper), (lambda: self.array(depth + 1), deeper))

    def object(self, depth=0):
        names = dict.fromkeys(self.random.choice(self.NAMES) for _ in range(self.random.randrange(4)))
        return members((name, self.value(depth)) for name in names)

    def array(self, depth):
        return "[" + ",".join(self.value(depth) for _ in range(self.random.randrange(4))) + "]"

    def body(self, *pairs):
        """An object of those pairs that are not None, in any order, now and then with a field that nobody knows."""
        pairs = [pair for pair in pairs if pair]
        if self.chance(0.08):
            pairs.append((self.one("path", "zzz", "unknown", "version", "data", "a", "Data"), self.one("1", '"x"', "null", "{}")))
        self.random.shuffle(pairs)
        return members(dict(reversed(pairs)).items())

    def maybe(self, probability, name, value):
        return (name, value()) if self.chance(probability) else None

    def query(self, *pairs):
        pairs = [pair for pair in pairs if pair]
        if self.chance(0.08):
            pairs.append((self.one("path", "zzz", "helpless", "list2", "data"), self.one("1", "x", "")))
        return "?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else ""

    def listing(self, path, *query):
        if self.chance(0.5):
            return Operation("LIST", path + self.query(*query))
        return Operation("GET", path + self.query(("list", self.one("true", "1", "false", "x")), *query))

    def write_method(self):
        return self.one("PUT", "POST")

    def boolean(self):
        return self.often(("true", 4), ("false", 6), ('"true"', 1), ('"F"', 1), ('"x"', 1), ('""', 1), ("1", 1), ("0", 1), ("null", 1), ("[]", 0.5),
                          ("{}", 0.5), ('"1"', 0.5), ('"yes"', 0.5))

    def integer(self):
        return self.often((lambda: str(self.random.randrange(6)), 12), ("-1", 1), ("1.0", 1), ('"1"', 1), ('"x"', 1), ('""', 1), ('"0x2"', 0.5),
                          ('"010"', 0.5), ('"1_0"', 0.5), ("null", 1), ("true", 1), ("[]", 0.5), ("[1]", 0.5), ("{}", 0.5), ('{"a":1}', 0.5),
                          ("4294967297", 0.5), ('"99999999999999999999"', 0.5), ('"-1"', 0.5), ('" 1"', 0.5), ('"+1"', 0.5), ('"1.5"', 0.5))

    def duration(self):
        """None that is over while the test runs: the one mount may be asked a moment before, and the other after."""
        return self.often(('"90m"', 3), ('"2h30m"', 3), ('"3h30m0.5s"', 1), ("0", 3), ('"0s"', 2), ('""', 1), ("12600", 2), ('"12600"', 1), ("-1", 1),
                          ('"-1s"', 1), ('"-1h"', 1), ('"x"', 1), ('"5x"', 0.5), ('"1.5"', 0.5), ("null", 1), ("true", 0.5), ("[]", 0.5), ("{}", 0.5),
                          ('"1d"', 1), ('"1.5d"', 0.5), ('"d"', 0.3), ('" 1h"', 0.5), ('"1h "', 0.5), ('"1H"', 0.5), ('"inf"', 0.5), ('"nan"', 0.5),
                          ('"1e4"', 0.5), ('"+1h30m"', 0.5), ('"0.5h1h"', 0.5), ('"-0.5s"', 0.5), ('"90.m"', 0.5), ('"1h-30m"', 0.5), ('"h"', 0.3),
                          ('"1hh"', 0.3), ('"500ms"', 0.5), ('"µs"', 0.3), ('"9999999h"', 0.5), ("99999999999", 0.5), ('".5h1h"', 0.3), ('"+5400"', 0.3))

    def junk(self, path):
        method = self.one("PUT", "POST", "PATCH")
        return Operation(method, path, self.random.choice(self.JUNK), PATCH if method == "PATCH" else self.one(None, "application/json", "text/plain"))

    def astray(self, *paths):
        method = self.one("GET", "PUT", "POST", "DELETE", "LIST", "PATCH", "HEAD")
        body = self.one(None, "{}", '{"data":{"a":1}}', '{"versions":[1]}') if method in ("PUT", "POST", "PATCH") else None
        return Operation(method, self.one(*paths), body, PATCH if method == "PATCH" else None)


class Version1(Generator):
    def next(self):
        return self.often((self.write, 20), (self.read, 16), (self.delete, 8), (self.list, 8), (self.patch, 1), (lambda: self.junk(self.key()), 4),
                          (lambda: self.astray("", "a/", "a", "zz", "?list=1"), 3))

    def lease(self):
        """Any value may be there. But 1.0 is an integer only after it has been through a double."""
        value = self.often((self.duration, 5), (self.value, 3), ('"5s"', 1), ("5", 1), ("3600.7", 1), ('"1s500ms"', 1), ("-5", 1))
        return "1" if value in ("1.0", "1e3") else value

    def member(self):
        name = self.often((lambda: self.random.choice(self.NAMES), 8), ("ttl", 1), ("lease", 1))
        return name, self.lease() if name in ("ttl", "lease") else self.value()

    def write(self):
        return Operation(self.write_method(), self.key(), self.body(*(self.member() for _ in range(self.random.randrange(5)))))

    def read(self):
        return Operation("GET", self.key() + self.query())

    def delete(self):
        return Operation("DELETE", self.key() + self.query())

    def list(self):
        return self.listing(self.one("", self.key(), self.key() + "/", "a", "a/", "a/b/"))

    def patch(self):
        return patched(self.object(), self.key())


class Version2(Generator):
    def next(self):
        return self.often((self.write, 20), (self.read, 16), (self.patch, 9), (self.delete, 5), (self.versions, 12), (self.read_metadata, 8),
                          (self.write_metadata, 8), (self.patch_metadata, 6), (self.delete_metadata, 2), (self.list, 5), (self.read_config, 1),
                          (self.write_config, 1.5), (self.reset_config, 1.5), (self.subkeys, 5), (self.wrong, 4), (self.rubbish, 3))

    def data(self, objects):
        return self.often((objects, 16), ("null", 0.5), ("[]", 0.5), ('[{"a":1},{"b":2}]', 0.5), ('"x"', 0.5), ("5", 0.3), ("true", 0.3), ("[1]", 0.3),
                          ('[[{"a":1}],null]', 0.3))

    def options(self):
        return self.often((lambda: members([("cas", self.integer())]), 8), (lambda: members([("cas", str(self.random.randrange(7)))]), 8), ("{}", 2),
                          ("null", 1), ('"x"', 0.5), ("[]", 0.5), ('[{"cas":1}]', 0.5), ("1", 0.3), ('{"cas":1,"x":2}', 0.5), ('{"CAS":1}', 0.3))

    def version(self):
        return self.one("0", "1", "2", "3", "4", "7", "-1", "", "x", "1.5", "0x1", "010", "99999999999999999999", "%20", "1_0", "+1", "1e0")

    def write(self):
        return Operation(self.write_method(), "data/" + self.key(),
                         self.body(self.maybe(0.96, "data", lambda: self.data(self.object)), self.maybe(0.4, "options", self.options)))

    def read(self):
        return Operation("GET", "data/" + self.key() + self.query(self.maybe(0.5, "version", self.version)))

    def patch_type(self):
        return self.often((PATCH, 30), ("application/json", 1), (PATCH + "; charset=utf-8", 1), ("", 0.5), ("nonsense", 0.5), (PATCH.title(), 0.5))

    def merged(self):
        """An object without arrays that hold objects: what a merge patch does to those differs on purpose."""
        simple = Generator(self.random.random())
        simple.array = lambda depth: self.one("[]", "[1,null]", '["a",[2,null]]')
        return simple.object()

    def patch(self):
        return Operation("PATCH", "data/" + self.key(), self.body(self.maybe(0.96, "data", lambda: self.data(self.merged)),
                                                                 self.maybe(0.3, "options", self.options)), self.patch_type())

    def delete(self):
        return Operation("DELETE", "data/" + self.key() + self.query())

    def chosen(self):
        some = "[" + ",".join(str(self.random.randrange(7)) for _ in range(self.random.randrange(4))) + "]"
        return self.often((some, 8), ('["1","2"]', 2), ('"1,2"', 2), ('"1"', 1), ("1", 1), ('""', 1), ('","', 0.5), ('"1,"', 0.5), ('"1, 2"', 0.5),
                          ("[-1]", 0.5), ('["x"]', 0.5), ('"x"', 0.5), ("[]", 1), ("null", 1), ("[null]", 0.5), ("true", 0.5), ("{}", 0.5), ('{"a":1}', 0.5),
                          ("[[1]]", 0.5), ("[true]", 0.5), ('["1,2"]', 0.5), ("[1,1,1]", 0.5), ("[0]", 0.5), ('["0x2"]', 0.3), ('[""]', 0.3), ("[{}]", 0.3))

    def versions(self):
        return Operation(self.write_method(), self.one("delete/", "undelete/", "destroy/", "undelete/") + self.key(),
                         self.body(self.maybe(0.95, "versions", self.chosen)))

    def custom(self):
        def many(count):
            return members((f"k{i}", '"v"') for i in range(count))

        texts = ['"' + "v" * 512 + '"', '"' + "v" * 513 + '"', '""', '"a\\nb"', '"\u00a0"', '"\u200b"', '"ü日本"', '"\ue000"', '"\u3000"', '"🔑"', '"\u0301"']
        names = ["k" * 128, "k" * 129, "ü" * 64, "ü" * 65, "", "k k", "日本"]
        return self.often((lambda: members([(self.one("a", "b", "c"), self.one('"x"', '"y"', '"z"'))]), 6), ("{}", 2), ("null", 1), ("[]", 0.5), ('"x"', 0.5),
                          ("5", 0.3), ("true", 0.3), (lambda: members([("a", self.value())]), 3), ('{"a":null,"b":"q"}', 2), (many(64), 0.5),
                          (many(65), 0.5), (lambda: members([("k", self.one(*texts))]), 4), (lambda: members([(self.one(*names), '"v"')]), 3),
                          ('{"":"","b":""}', 0.5), ('[{"a":"1"},{"b":"2"}]', 0.5), ("[1]", 0.3))

    def count(self):
        """Without those that wrap around in theirs; see DIFFERENCES."""
        while (text := self.integer()) in ("-1", '"-1"', "4294967297"):
            pass
        return text

    def limits(self):
        return (self.maybe(0.4, "max_versions", self.count), self.maybe(0.3, "cas_required", self.boolean),
                self.maybe(0.35, "delete_version_after", self.duration))

    def read_metadata(self):
        return Operation("GET", "metadata/" + self.key() + self.query())

    def write_metadata(self):
        return Operation(self.write_method(), "metadata/" + self.key(), self.body(*self.limits(), self.maybe(0.5, "custom_metadata", self.custom)))

    def patch_metadata(self):
        return Operation("PATCH", "metadata/" + self.key(), self.body(*self.limits(), self.maybe(0.5, "custom_metadata", self.custom)), self.patch_type())

    def delete_metadata(self):
        return Operation("DELETE", "metadata/" + self.key())

    def list(self):
        below = self.one("", "/", "/" + self.key(), "/" + self.key() + "/", "/a", "/a/", "/a/b/")
        return self.listing("metadata" + below, self.maybe(0.3, "exclude_deleted", lambda: self.one("true", "false", "1", "x", "")))

    def read_config(self):
        return Operation("GET", "config" + self.query())

    def write_config(self):
        return Operation(self.write_method(), "config", self.body(*self.limits()))

    def reset_config(self):
        """So that a mount that demands check-and-set does not stay so for long."""
        return Operation("PUT", "config", '{"max_versions":%d,"cas_required":false,"delete_version_after":"0s"}' % self.one(0, 0, 3, 5))

    def subkeys(self):
        depth = self.maybe(0.6, "depth", lambda: self.one("0", "1", "2", "3", "-1", "x", "1.5", ""))
        return Operation("GET", "subkeys/" + self.key() + self.query(self.maybe(0.4, "version", self.version), depth))

    def wrong(self):
        return self.astray("", "x", "a", "data", "data/", "metadata", "metadata/", "delete", "undelete", "destroy", "subkeys", "subkeys/", "delete/",
                           "destroy/", "undelete/", "config/", "config/x", "data/a/", "metadata/a/", "Data/a", "data/a/b/", "delete/a", "undelete/a",
                           "destroy/a", "config", "subkeys/a", "metadata/zz", "data/zz", "config?max_versions=3")

    def rubbish(self):
        return self.junk(self.one("data/", "metadata/", "delete/", "undelete/", "destroy/") + self.key() if self.chance(0.9) else "config")
