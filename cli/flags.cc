#include "cli/flags.h"

#include <boost/program_options.hpp>
#include <charconv>
#include <exception>
#include <map>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace po = boost::program_options;

// A violation of the rules, on its way through Program_options to Parse.
class FlagError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// -h or -help.
class HelpWanted : public std::exception {};

bool TakesValue(const po::option_description& flag) {
  return flag.semantic()->min_tokens() > 0;
}

bool IsHelp(std::string_view token) {
  return token == "-h" || token == "-help" || token == "--help";
}

// Whoever writes `kv put secret/a x=1 -cas=0` means the flag.
void RefuseLateFlags(const std::vector<std::string>& tokens) {
  for (const std::string& token : tokens) {
    if (IsHelp(token)) throw HelpWanted();
    if (token.size() < 2 || token[0] != '-') continue;
    throw FlagError(Concat("flags come before arguments: write ", token, " before \"",
                           tokens.front(),
                           "\" (or, if it is meant as an argument, write -- before the first)"));
  }
}

// Moves everything from the tokens to the options as positional arguments.
std::vector<po::option> AllPositional(std::vector<std::string>& tokens) {
  std::vector<po::option> options;
  for (std::string& token : tokens) {
    po::option option;
    option.value = {token};
    option.original_tokens = {token};
    option.position_key = static_cast<int>(options.size());
    options.push_back(std::move(option));
  }
  tokens.clear();
  return options;
}

std::string TakeFirst(std::vector<std::string>& tokens) {
  std::string first = std::move(tokens.front());
  tokens.erase(tokens.begin());
  return first;
}

// Why a flag is not supported, by its name.
using Refused = std::map<std::string, std::string>;

// One step of parsing by Go's rules: takes one flag, or all that follows the flags, from the front
// of `tokens`.
std::vector<po::option> TakeGoFlag(const po::options_description& known, const Refused& refused,
                                   std::vector<std::string>& tokens) {
  if (tokens.front() == "--") {
    TakeFirst(tokens);
    return AllPositional(tokens);
  }
  if (tokens.front().size() < 2 || tokens.front()[0] != '-') {
    RefuseLateFlags(tokens);
    return AllPositional(tokens);
  }

  po::option option;
  option.original_tokens = {tokens.front()};
  const std::string token = TakeFirst(tokens);
  std::string_view text = token;
  ConsumePrefix(&text, "-");
  ConsumePrefix(&text, "-");
  const std::size_t equals = text.find('=');
  option.string_key = std::string(text.substr(0, equals));
  const auto* flag = known.find_nothrow(option.string_key, /*approx=*/false);
  if (option.string_key.empty()) throw FlagError(Concat("bad flag syntax: ", token));
  if (flag == nullptr && IsHelp(token)) throw HelpWanted();
  if (const auto why = refused.find(option.string_key); why != refused.end())
    throw FlagError(Concat("-", why->first, " is not supported: ", why->second));
  if (flag == nullptr)
    throw FlagError(Concat("flag provided but not defined: -", option.string_key));
  if (equals != std::string_view::npos) {
    option.value = {std::string(text.substr(equals + 1))};
  } else if (TakesValue(*flag)) {
    if (tokens.empty()) throw FlagError(Concat("flag needs an argument: -", option.string_key));
    option.value = {TakeFirst(tokens)};
  } else {
    option.value = {"true"};  // Left empty, Program_options would take the next argument.
  }
  return {std::move(option)};
}

}  // namespace

bool ParseGoBool(const std::string& text, bool* value) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return *value = true;
  }
  *value = false;
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return true;
  }
  return false;
}

struct Flags::State {
  Help help;
  std::vector<std::pair<std::string, std::string>> environment;
  po::options_description known;
  Refused refused;
  po::variables_map given;
  std::vector<std::string> arguments;
};

Flags::Flags(Help help) : state_(std::make_unique<State>()) {
  state_->help = std::move(help);
}
Flags::~Flags() = default;

void Flags::Add(std::string_view name, std::string_view help, std::string* target) {
  state_->known.add_options()(std::string(name).c_str(), po::value<std::string>(target),
                              std::string(help).c_str());
}

void Flags::Add(std::string_view name, std::string_view help, int* target, int minimum) {
  const std::string flag(name);
  auto* value = po::value<std::string>()->notifier([=](const std::string& text) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, *target);
    const bool number = error == std::errc() && stop == end;
    if (number && *target >= minimum) return;
    std::string why = "parse error";
    if (error == std::errc::result_out_of_range) why = "value out of range";
    if (number) why = Concat("it must be ", minimum, " or more");
    throw FlagError(Concat("invalid value \"", text, "\" for flag -", flag, ": ", why));
  });
  state_->known.add_options()(flag.c_str(), value, std::string(help).c_str());
}

void Flags::Add(std::string_view name, std::string_view help, bool* target) {
  const std::string flag(name);
  auto* value = po::value<std::string>()->implicit_value("true")->notifier(
      [flag, target](const std::string& text) {
        if (!ParseGoBool(text, target)) {
          throw FlagError(
              Concat("invalid boolean value \"", text, "\" for -", flag, ": parse error"));
        }
      });
  state_->known.add_options()(flag.c_str(), value, std::string(help).c_str());
}

void Flags::Add(std::string_view name, std::string_view help, std::vector<std::string>* target) {
  state_->known.add_options()(std::string(name).c_str(),
                              po::value<std::vector<std::string>>(target)->composing(),
                              std::string(help).c_str());
}

void Flags::Refuse(std::string_view name, std::string_view why) {
  state_->refused.emplace(name, why);
}

void Flags::AddEnvironment(std::string_view names, std::string_view help) {
  state_->environment.emplace_back(names, help);
}

absl::Status Flags::Parse(std::vector<std::string> arguments) {
  try {
    po::parsed_options parsed = po::command_line_parser(arguments)
                                    .options(state_->known)
                                    .extra_style_parser([this](std::vector<std::string>& tokens) {
                                      return TakeGoFlag(state_->known, state_->refused, tokens);
                                    })
                                    .run();
    // As in Go, the last of several uses of a flag counts; Program_options alone would refuse the
    // second.
    std::vector<po::option> kept;
    for (po::option& option : parsed.options) {
      if (option.string_key.empty()) {
        state_->arguments.insert(state_->arguments.end(), option.value.begin(), option.value.end());
        continue;
      }
      const bool composing =
          state_->known.find(option.string_key, false).semantic()->is_composing();
      std::erase_if(kept, [&](const po::option& earlier) {
        return !composing && earlier.string_key == option.string_key;
      });
      kept.push_back(std::move(option));
    }
    parsed.options = std::move(kept);
    po::store(parsed, state_->given);
    po::notify(state_->given);
  } catch (const HelpWanted&) {
    return absl::CancelledError("help");
  } catch (const FlagError& error) {
    return absl::InvalidArgumentError(error.what());
  } catch (const po::error& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return absl::OkStatus();
}

const std::vector<std::string>& Flags::arguments() const {
  return state_->arguments;
}

absl::Status Flags::ExpectArguments(std::size_t minimum, std::size_t maximum) const {
  const std::size_t got = state_->arguments.size();
  if (got < minimum) {
    return absl::InvalidArgumentError(
        Concat("Not enough arguments (expected ", minimum, ", got ", got, ")"));
  }
  if (got > maximum) {
    return absl::InvalidArgumentError(
        Concat("Too many arguments (expected ", maximum, ", got ", got, ")"));
  }
  return absl::OkStatus();
}

absl::Status Flags::ExpectAtMostOneOf(std::initializer_list<std::string_view> names) const {
  std::string given;
  bool several = false;
  for (const std::string_view name : names) {
    if (!Given(name)) continue;
    several = !given.empty();
    given += Concat(several ? " and -" : "-", name);
  }
  if (!several) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat(given, " cannot be used together"));
}

bool Flags::Given(std::string_view name) const {
  return state_->given.count(std::string(name)) > 0;
}

std::string Flags::ShortUsage() const {
  return Concat("Usage: belfry ", state_->help.usage, "\n-help shows flags and examples.\n");
}

std::string Flags::Usage() const {
  std::string text = Concat("Usage: belfry ", state_->help.usage, "\n");
  if (!state_->help.about.empty()) text += Concat("\n", state_->help.about, "\n");
  if (!state_->help.examples.empty()) text += "\nExamples:\n\n";
  for (const std::string& example : state_->help.examples) text += Concat("    $ ", example, "\n");
  if (!state_->known.options().empty()) text += "\nOptions:\n";
  for (const auto& flag : state_->known.options()) {
    text += Concat("\n  -", flag->long_name(), TakesValue(*flag) ? "=<value>" : "", "\n      ",
                   flag->description(), "\n");
  }
  if (!state_->environment.empty()) text += "\nEnvironment:\n";
  for (const auto& [names, help] : state_->environment)
    text += Concat("\n  ", names, "\n      ", help, "\n");
  return text;
}

}  // namespace belfry::cli
