#include "sdk/src/route.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/text.h"

namespace belfry {

FieldKey<std::string> Route::Param(std::string_view name, std::string_view help) {
  return FieldKey<std::string>(AddParam(name, help));
}

}  // namespace belfry

namespace belfry::internal {
namespace {

// In a merge patch null asks for removal: as a field's value such a member is absent.
Json WithoutNulls(Json value) {
  if (Json::Object* object = value.if_object()) {
    std::erase_if(*object, [](const auto& member) { return member.second.is_null(); });
  }
  return value;
}

// Null when it is absent, which null is too, but for a field that takes any JSON.
const Json* GivenIn(const Json::Object& data, const DeclaredField& field) {
  const auto given = data.find(field.name);
  if (given == data.end() || (given->second.is_null() && field.type != FieldType::kJson))
    return nullptr;
  return &given->second;
}

}  // namespace

RouteImpl::RouteImpl(std::string_view pattern, std::string_view help, PathPattern parsed)
    : pattern_(pattern),
      help_(absl::StripAsciiWhitespace(ToAbsl(help))),
      parsed_(std::move(parsed)),
      regex_(parsed_.regex, RE2::Quiet) {
  if (!regex_.ok()) Mistake(absl::StrCat("does not parse: ", regex_.error()));
  if (pattern_.starts_with('/')) Mistake("must not begin with '/'");
}

std::optional<std::map<std::string, std::string>> RouteImpl::Match(std::string_view path) const {
  const int groups = regex_.NumberOfCapturingGroups() + 1;
  std::vector<re2::StringPiece> found(groups);
  const re2::StringPiece text(path.data(), path.size());
  if (!regex_.Match(text, 0, text.size(), RE2::ANCHOR_BOTH, found.data(), groups))
    return std::nullopt;
  std::map<std::string, std::string> captures;
  for (const auto& [index, name] : regex_.CapturingGroupNames())
    captures[name] = std::string(found[index].data(), found[index].size());
  return captures;
}

absl::StatusOr<FieldValues> RouteImpl::Collect(const std::map<std::string, std::string>& captures,
                                               const Json::Object& data,
                                               Operation operation) const {
  FieldValues result;
  for (const DeclaredField& field : fields_) {
    if (field.from_path) {
      const auto capture = captures.find(field.name);
      result.values.emplace_back(capture == captures.end() ? std::string() : capture->second);
      result.given.push_back(capture != captures.end());
      continue;
    }
    const Json* given = GivenIn(data, field);
    if (given == nullptr) {
      result.values.push_back(field.initial);
      result.given.push_back(false);
      continue;
    }
    absl::StatusOr<std::any> value = Convert(field, *given, operation);
    if (!value.ok()) return value.status();
    result.values.push_back(*std::move(value));
    result.given.push_back(true);
  }
  result.warnings = WarningsAbout(data);
  return result;
}

absl::StatusOr<std::any> RouteImpl::Convert(const DeclaredField& field, const Json& given,
                                            Operation operation) {
  const bool patches = operation == Operation::kPatch && field.type == FieldType::kStringMap;
  absl::StatusOr<std::any> value = ConvertField(patches ? WithoutNulls(given) : given, field.type);
  if (value.ok()) return value;
  return absl::InvalidArgumentError(absl::StrCat("error converting input for field \"", field.name,
                                                 "\": ", value.status().message()));
}

absl::Status RouteImpl::CheckRequired(const Json::Object& data, Operation operation) const {
  if (operation != Operation::kCreate && operation != Operation::kUpdate) return absl::OkStatus();
  for (const DeclaredField& field : fields_) {
    if (field.required && GivenIn(data, field) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("missing required field \"", field.name, "\""));
    }
  }
  return absl::OkStatus();
}

// In Vault's words, which clients show to people.
std::vector<std::string> RouteImpl::WarningsAbout(const Json::Object& data) const {
  std::vector<std::string> unknown, replaced, warnings;
  for (const auto& [name, value] : data) {
    const DeclaredField* field = FindField(name);
    if (field == nullptr) {
      if (!accepts_any_field_) unknown.push_back(name);
    } else if (field->from_path && !value.is_null()) {
      replaced.push_back(name);
    }
  }
  if (!unknown.empty()) {
    warnings.push_back(absl::StrCat("Endpoint ignored these unrecognized parameters: [",
                                    absl::StrJoin(unknown, " "), "]"));
  }
  if (!replaced.empty()) {
    warnings.push_back(
        absl::StrCat("Endpoint replaced the value of these parameters with the values captured "
                     "from the endpoint's path: [",
                     absl::StrJoin(replaced, " "), "]"));
  }
  return warnings;
}

const Handler* RouteImpl::HandlerFor(Operation operation) const {
  const Handler& handler = handlers_[static_cast<std::size_t>(operation)];
  if (handler) return &handler;
  const bool write = operation == Operation::kCreate || operation == Operation::kUpdate;
  return write && write_ ? &write_ : nullptr;
}

std::string_view RouteImpl::summary() const {
  return std::string_view(help_).substr(0, help_.find('\n'));
}

std::string_view RouteImpl::details() const {
  std::string_view rest(help_);
  rest.remove_prefix(summary().size());
  return ToStd(absl::StripLeadingAsciiWhitespace(ToAbsl(rest)));
}

Route& RouteImpl::OnWrite(Handler handler) {
  CheckDescribing();
  write_ = std::move(handler);
  return *this;
}

Route& RouteImpl::ExistsIf(ExistenceCheck check) {
  CheckDescribing();
  exists_if_ = std::move(check);
  return *this;
}

Route& RouteImpl::OnlyUpdates() {
  CheckDescribing();
  only_updates_ = true;
  return *this;
}

Route& RouteImpl::Upserts() {
  CheckDescribing();
  upserts_ = true;
  return *this;
}

Route& RouteImpl::AcceptAnyField() {
  CheckDescribing();
  accepts_any_field_ = true;
  return *this;
}

Route& RouteImpl::Set(Operation operation, Handler handler) {
  CheckDescribing();
  handlers_[static_cast<std::size_t>(operation)] = std::move(handler);
  return *this;
}

void RouteImpl::CheckDescribing() const {
  if (!described_) return;
  std::fprintf(stderr, "belfry: the path \"%s\" was changed after `define` had returned\n",
               pattern_.c_str());
  std::abort();
}

void RouteImpl::Mistake(std::string text) {
  if (mistake_.ok())
    mistake_ = absl::InvalidArgumentError(absl::StrCat("path \"", pattern_, "\": ", text));
}

void RouteImpl::CheckNew(std::string_view name) {
  if (FindField(name) == nullptr) return;
  Mistake(absl::StrCat("declares the field \"", std::string(name), "\" twice"));
}

const DeclaredField* RouteImpl::FindField(std::string_view name) const {
  const auto found =
      std::find_if(fields_.begin(), fields_.end(),
                   [name](const DeclaredField& field) { return field.name == name; });
  return found == fields_.end() ? nullptr : &*found;
}

FieldId RouteImpl::AddParam(std::string_view name, std::string_view help) {
  CheckDescribing();
  if (std::find(parameters().begin(), parameters().end(), name) == parameters().end()) {
    Mistake(absl::StrCat("has no parameter {", std::string(name), "}"));
  }
  CheckNew(name);
  fields_.push_back({.name = std::string(name),
                     .help = std::string(help),
                     .type = FieldType::kString,
                     .from_path = true,
                     .required = false,
                     .initial = std::string()});
  return {this, fields_.size() - 1};
}

FieldId RouteImpl::AddField(std::string_view name, std::string_view help,
                            const std::type_info& type) {
  CheckDescribing();
  CheckNew(name);
  const FieldType field_type = FieldTypeOf(type);
  fields_.push_back({.name = std::string(name),
                     .help = std::string(help),
                     .type = field_type,
                     .from_path = false,
                     .required = false,
                     .initial = ZeroValue(field_type)});
  return {this, fields_.size() - 1};
}

void RouteImpl::MarkRequired(FieldId field) {
  Mine(field).required = true;
}

void RouteImpl::SetDefault(FieldId field, std::any value) {
  DeclaredField& declared = Mine(field);
  declared.initial = std::move(value);
  declared.has_default = true;
}

void RouteImpl::MarkSensitive(FieldId field) {
  Mine(field).sensitive = true;
}

DeclaredField& RouteImpl::Mine(FieldId field) {
  CheckDescribing();
  if (field.route != this) {
    std::fprintf(stderr, "belfry: a field of the path \"%s\" was used with \"%s\"\n",
                 static_cast<const RouteImpl*>(field.route)->pattern().c_str(), pattern_.c_str());
    std::abort();
  }
  return fields_[field.index];
}

}  // namespace belfry::internal
