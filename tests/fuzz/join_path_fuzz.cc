// Paths of events below a mount: the mount on the first line, then two parts of a path.

#include <string>

#include "server/base/text.h"
#include "server/plugin_host/event_acceptance.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::plugin_host {
namespace {

// Clean: no empty or "." segments, and ".." only where nothing is left to take away.
void ExamineClean(std::string_view path) {
  BELFRY_CLAIM(!path.starts_with('/') && !path.ends_with('/'));
  bool climbing = true;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, end);
    BELFRY_CLAIM(!segment.empty() && segment != ".");
    BELFRY_CLAIM(segment != ".." || climbing);
    climbing = segment == "..";
    path.remove_prefix(std::min(end + 1, path.size()));
  }
}

}  // namespace
}  // namespace belfry::plugin_host

void belfry::fuzz::Examine(std::string_view input) {
  const std::string_view mount = TakeLine(input);
  const std::string_view first = TakeLine(input);
  const std::string joined = plugin_host::JoinPath(mount, first);
  plugin_host::ExamineClean(joined);
  BELFRY_CLAIM(plugin_host::JoinPath("", joined) == joined);
  BELFRY_CLAIM(plugin_host::JoinPath(joined, input) ==
               plugin_host::JoinPath(mount, Concat({first, "/", input})));
}
