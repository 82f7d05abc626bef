#include "server/mounts/special_paths.h"

#include <gtest/gtest.h>

namespace belfry::mounts {
namespace {

TEST(PathSetTest, APatternIsOnePathAPrefixOrHasSegmentsThatMayBeAny) {
  struct Case {
    const char* pattern;
    const char* path;
    bool contained;
  };
  for (const Case& one :
       {Case{"login", "login", true}, Case{"login", "login/a", false}, Case{"login", "logi", false},
        Case{"login/*", "login/", true}, Case{"login/*", "login/a/b", true},
        Case{"login/*", "login", false}, Case{"log*", "login", true}, Case{"*", "", true},
        Case{"", "", true}, Case{"", "a", false}, Case{"role/+/login", "role/a/login", true},
        Case{"role/+/login", "role/a/b/login", false}, Case{"role/+/login", "role/a/logout", false},
        Case{"role/+/login", "role/a", false}, Case{"role/+", "role/a", true},
        Case{"role/+", "role/a/b", false}, Case{"role/+/x*", "role/a/xyz", true},
        Case{"role/+/*", "role/a/b/c", true}, Case{"role/+/*", "rol/a/b", false},
        // With and without a slash it is one name.
        Case{"login", "login/", true}, Case{"login/", "login", true},
        Case{"login/", "login/", true}, Case{"login", "login/a/", false},
        Case{"role/+", "role/a/", true}, Case{"role/+/", "role/a", true},
        Case{"role/+", "role/", true}}) {
    EXPECT_EQ(PathSet({one.pattern}).Contains(one.path), one.contained)
        << one.pattern << " and " << one.path;
  }
}

TEST(PathSetTest, AnyPatternOfTheSetWillDoAndAnEmptySetContainsNothing) {
  EXPECT_TRUE(PathSet({"a", "b"}).Contains("b"));
  EXPECT_FALSE(PathSet().Contains(""));
}

}  // namespace
}  // namespace belfry::mounts
