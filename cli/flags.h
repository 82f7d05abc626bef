#pragma once

#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace belfry::cli {

// What a command's help says beside its flags.
struct Help {
  std::string usage;                  // What follows "Usage: belfry ".
  std::string about;                  // Paragraphs of lines for a screen, without a final newline.
  std::vector<std::string> examples;  // Command lines, without a prompt.
};

// Go's strconv.ParseBool: 1, t, T, true, True, TRUE and their opposites; false for any other text.
bool ParseGoBool(const std::string& text, bool* value);

// The flags of one command, with the rules of Go's flag package, which Vault's users know: `-name
// value`, `-name=value`, `--name=value`; a boolean takes its value only after '='; the first
// argument that is no flag ends the flags, and so does `--`. Unlike there, a flag after the first
// argument is an error: taken as an argument, it would be stored as if it were data.
//
// Every target must outlive the Flags and keeps its value when its flag is absent. Not thread-safe.
class Flags {
 public:
  explicit Flags(Help help);
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  void Add(std::string_view name, std::string_view help, std::string* target);
  // Refuses values below `minimum`.
  void Add(std::string_view name, std::string_view help, int* target,
           int minimum = std::numeric_limits<int>::min());
  void Add(std::string_view name, std::string_view help, bool* target);
  // May be given several times; each use adds one value.
  void Add(std::string_view name, std::string_view help, std::vector<std::string>* target);

  // A flag of Vault's program that is not offered, and not in the help: when it is given, Parse is
  // InvalidArgument "-<name> is not supported: <why>".
  void Refuse(std::string_view name, std::string_view why);

  // An environment variable, or several, that the command reads, for its help.
  void AddEnvironment(std::string_view names, std::string_view help);

  // InvalidArgument with Go's text, for example "flag provided but not defined: -timeout";
  // Cancelled when -h or -help was given, wherever it stands.
  absl::Status Parse(std::vector<std::string> arguments);

  // What followed the flags. Valid after Parse.
  const std::vector<std::string>& arguments() const;
  // InvalidArgument "Not enough arguments (expected 1, got 0)" or "Too many arguments (expected 1,
  // got 2)".
  absl::Status ExpectArguments(std::size_t minimum, std::size_t maximum) const;
  // InvalidArgument when several of these were given.
  absl::Status ExpectAtMostOneOf(std::initializer_list<std::string_view> names) const;
  // Whether the flag was given.
  bool Given(std::string_view name) const;

  std::string Usage() const;
  // The first line of Usage, and how to see the rest.
  std::string ShortUsage() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace belfry::cli
