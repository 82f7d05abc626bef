#include "cli/path.h"

#include <algorithm>
#include <vector>

#include "cli/text.h"

namespace belfry::cli {

absl::StatusOr<std::string> CleanPath(std::string_view path) {
  const std::string_view text = Trimmed(path);
  std::vector<std::string_view> segments;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    const std::string_view segment = text.substr(begin, end - begin);
    begin = end + 1;
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (segments.empty()) {
      return absl::InvalidArgumentError(
          Concat("cannot use the path \"", path, "\": its \"..\" leads out of it"));
    } else {
      segments.pop_back();
    }
  }
  std::string clean;
  for (const std::string_view segment : segments)
    clean += Concat(clean.empty() ? "" : "/", segment);
  return clean;
}

absl::StatusOr<std::string> CleanPath(std::string_view path, std::string_view name) {
  absl::StatusOr<std::string> clean = CleanPath(path);
  if (clean.ok() && clean->empty())
    return absl::InvalidArgumentError(Concat(name, " must not be empty: \"", path, "\""));
  return clean;
}

}  // namespace belfry::cli
