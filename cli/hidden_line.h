#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace belfry::cli {

// Writes the prompt to `out` and reads a line from a terminal that does not show what is typed
// meanwhile. A signal that ends or stops the program does so after the terminal shows again what is
// typed; when the program is continued, it asks again. The line is without its newline, and empty
// at the end of input. InvalidArgument when the terminal cannot be used.
//
// For a program with one thread: the signals are held back in the calling thread alone.
absl::StatusOr<std::string> ReadHiddenLine(int terminal, std::string_view prompt,
                                           std::ostream& out);

}  // namespace belfry::cli
