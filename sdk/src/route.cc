#include "sdk/src/route.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/text.h"

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

bool IsAllowed(const DeclaredField& field, const std::any& value) {
  if (field.allowed.empty()) return true;
  const auto allowed = [&field](const Json& one) {
    return std::find(field.allowed.begin(), field.allowed.end(), one) != field.allowed.end();
  };
  const Json given = FieldToJson(value, field.type);
  const Json::Array* list = given.if_array();
  return list == nullptr ? allowed(given) : std::all_of(list->begin(), list->end(), allowed);
}

absl::Status NotAllowed(const DeclaredField& field) {
  return absl::InvalidArgumentError(
      absl::StrCat("field \"", field.name, "\": expected one of ", AllowedText(field)));
}

}  // namespace

std::string AllowedText(const DeclaredField& field) {
  std::string text;
  for (const Json& value : field.allowed) {
    if (&value != &field.allowed.front()) text += ", ";
    text += value.Dump();
  }
  return text;
}

std::string_view OperationName(Operation operation) {
  switch (operation) {
    case Operation::kCreate:
      return "create";
    case Operation::kRead:
      return "read";
    case Operation::kUpdate:
      return "update";
    case Operation::kPatch:
      return "patch";
    case Operation::kDelete:
      return "delete";
    case Operation::kList:
      return "list";
    case Operation::kRenew:
      return "renew";
    case Operation::kRevoke:
      return "revoke";
  }
  return "";
}

RouteImpl::RouteImpl(std::string_view pattern, std::string_view help, PathPattern parsed,
                     std::source_location where)
    : pattern_(pattern),
      help_(absl::StripAsciiWhitespace(ToAbsl(help))),
      parsed_(std::move(parsed)),
      where_(where),
      regex_(parsed_.regex, RE2::Quiet),
      automaton_(parsed_.parts) {
  if (!regex_.ok()) Mistake({"does not parse: ", regex_.error()});
  if (pattern_.starts_with('/')) Mistake({"must not begin with '/'"});
  if (!parsed_.parts.empty() && pattern_.find("//") != std::string::npos)
    Mistake({"has an empty segment, which no request's path has"});
}

std::string RouteImpl::title() const {
  std::string_view file = where_.file_name();
  file.remove_prefix(file.rfind('/') + 1);
  return Concat({"path \"", pattern_, "\" (", file, ":", std::to_string(where_.line()), ")"});
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

bool RouteImpl::Hides(const RouteImpl& later) const {
  if (parsed_.regex == later.parsed_.regex) return true;
  if (parsed_.parts.empty()) return false;
  if (!later.parsed_.parts.empty()) return automaton_.Covers(later.automaton_);
  return parsed_.parts.back().kind == PatternPart::Kind::kRest && parsed_.parts.size() <= 2 &&
         later.LiteralPrefix().starts_with(parsed_.parts.size() == 2 ? parsed_.parts.front().text
                                                                     : "");
}

// What everything that a regular expression matches begins with.
std::string RouteImpl::LiteralPrefix() const {
  constexpr int kLongest = 64;
  std::string least, greatest;
  if (!regex_.ok() || !regex_.PossibleMatchRange(&least, &greatest, kLongest)) return "";
  const auto differ = std::mismatch(least.begin(), least.end(), greatest.begin(), greatest.end());
  return {least.begin(), differ.first};
}

bool RouteImpl::MayBeginWith(std::string_view prefix) const {
  if (!parsed_.parts.empty() || pattern_.empty()) return automaton_.MayBeginWith(prefix);
  const std::string known = LiteralPrefix();
  return prefix.starts_with(known) || known.starts_with(prefix);
}

std::size_t RouteImpl::Reach(std::string_view path) const {
  if (!parsed_.parts.empty()) return automaton_.Reach(path);
  const std::string known = LiteralPrefix();
  const auto differ = std::mismatch(known.begin(), known.end(), path.begin(), path.end());
  return static_cast<std::size_t>(differ.first - known.begin());
}

std::string RouteImpl::WhyNot(std::string_view path) const {
  if (!parsed_.parts.empty()) return automaton_.WhyNot(path);
  return pattern_.empty() ? "it is the mount itself" : "it is a regular expression";
}

bool RouteImpl::Belongs(const DeclaredField& field, Operation operation) const {
  if (field.from_path) return true;
  if (!field.operations.empty()) return field.operations.contains(operation);
  const bool changes = operation == Operation::kCreate || operation == Operation::kUpdate ||
                       operation == Operation::kPatch;
  return changes == (Writable() || Handles(Operation::kPatch));
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
      if (result.given.back() && !IsAllowed(field, result.values.back())) return NotAllowed(field);
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
  if (!value.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("error converting input for field \"",
                                                   field.name, "\": ", value.status().message()));
  }
  if (!IsAllowed(field, *value)) return NotAllowed(field);
  return value;
}

absl::Status RouteImpl::CheckRequired(const Json::Object& data, Operation operation) const {
  if (operation == Operation::kPatch) return absl::OkStatus();
  for (const DeclaredField& field : fields_) {
    if (field.required && Belongs(field, operation) && GivenIn(data, field) == nullptr) {
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

Route& RouteImpl::OnRead(Handler handler) {
  return Set(Place(Operation::kRead), std::move(handler), "OnRead");
}
Route& RouteImpl::OnWrite(Handler handler) {
  return Set(write_, std::move(handler), "OnWrite");
}
Route& RouteImpl::OnCreate(Handler handler) {
  return Set(Place(Operation::kCreate), std::move(handler), "OnCreate");
}
Route& RouteImpl::OnUpdate(Handler handler) {
  return Set(Place(Operation::kUpdate), std::move(handler), "OnUpdate");
}
Route& RouteImpl::OnDelete(Handler handler) {
  return Set(Place(Operation::kDelete), std::move(handler), "OnDelete");
}
Route& RouteImpl::OnList(Handler handler) {
  return Set(Place(Operation::kList), std::move(handler), "OnList");
}
Route& RouteImpl::OnPatch(Handler handler) {
  return Set(Place(Operation::kPatch), std::move(handler), "OnPatch");
}
Route& RouteImpl::ExistsIf(ExistenceCheck check) {
  return Set(exists_if_, std::move(check), "ExistsIf");
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

template <typename Function>
Route& RouteImpl::Set(Function& place, Function given, std::string_view call) {
  CheckDescribing();
  if (!given) Mistake({"calls ", call, " with null"});
  if (place) Mistake({"calls ", call, " twice"});
  place = std::move(given);
  return *this;
}

void RouteImpl::CheckDescribing() const {
  if (!described_) return;
  std::fprintf(stderr, "belfry: the path \"%s\" was changed after `define` had returned\n",
               pattern_.c_str());
  std::abort();
}

void RouteImpl::Mistake(std::initializer_list<std::string_view> text) {
  mistakes_.push_back(Concat({title(), " ", Concat(text)}));
}

std::vector<std::string> RouteImpl::EndDescription() {
  described_ = true;
  CheckHandlers();
  CheckWriting();
  for (const DeclaredField& field : fields_) {
    if (!field.from_path) CheckField(field);
  }
  return mistakes_;
}

void RouteImpl::CheckHandlers() {
  const bool handles = std::any_of(handlers_.begin(), handlers_.end(), [](const Handler& handler) {
    return static_cast<bool>(handler);
  });
  // One that was null is a mistake already.
  if (!handles && !write_ && mistakes_.empty())
    Mistake({"has no handler: call OnRead, OnWrite or another"});
  if (!write_) return;
  if (Has(Operation::kCreate)) Mistake({"has OnWrite and OnCreate; OnWrite means both"});
  if (Has(Operation::kUpdate)) Mistake({"has OnWrite and OnUpdate; OnWrite means both"});
}

// What tells creates from updates must have something to tell.
void RouteImpl::CheckWriting() {
  if (only_updates_ && upserts_)
    Mistake({"has OnlyUpdates and Upserts, which contradict each other"});
  if (only_updates_ && exists_if_)
    Mistake({"has OnlyUpdates and ExistsIf, which is never asked then"});
  if (only_updates_ && Has(Operation::kCreate))
    Mistake({"has OnlyUpdates and OnCreate, which is never called then"});
  if (upserts_ && !write_) Mistake({"has Upserts, which needs OnWrite"});
  if (Writable()) return;
  if (only_updates_) Mistake({"has OnlyUpdates, but no handler for updates"});
  if (exists_if_) Mistake({"has ExistsIf, but no handler for creates or updates"});
}

void RouteImpl::CheckField(const DeclaredField& field) {
  const std::string name = Concat({"field \"", field.name, "\""});
  if (field.name.empty()) Mistake({"has a field without a name"});
  if (field.required && field.has_default)
    Mistake({"has Require and Default for the ", name, ", whose default is never used then"});
  constexpr std::array kNeedFields = {Operation::kCreate, Operation::kRead, Operation::kUpdate,
                                      Operation::kDelete, Operation::kList};
  const bool needed = std::any_of(kNeedFields.begin(), kNeedFields.end(), [&](Operation operation) {
    return Handles(operation) && Belongs(field, operation);
  });
  if (field.required && !needed)
    Mistake({"requires the ", name, ", which belongs to no operation that could be refused"});
  if (field.has_default && !IsAllowed(field, field.initial))
    Mistake({"has a default for the ", name, " that is none of its AllowedValues"});
  for (const Operation operation : field.operations) {
    if (!Handles(operation)) {
      Mistake({"has the ", name, " For ", OperationName(operation), ", which has no handler"});
    }
  }
}

void RouteImpl::CheckNew(std::string_view name) {
  if (FindField(name) == nullptr) return;
  Mistake({"declares \"", name, "\" twice"});
}

const DeclaredField* RouteImpl::FindField(std::string_view name) const {
  const auto found =
      std::find_if(fields_.begin(), fields_.end(),
                   [name](const DeclaredField& field) { return field.name == name; });
  return found == fields_.end() ? nullptr : &*found;
}

FieldId RouteImpl::AddParam(std::string_view name, std::string_view help) {
  CheckDescribing();
  if (std::find(parameters().begin(), parameters().end(), name) == parameters().end())
    Mistake({"has no parameter {", name, "}"});
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
  if (std::find(parameters().begin(), parameters().end(), name) != parameters().end()) {
    Mistake({"declares the field \"", name, "\", which is the name of its parameter {", name,
             "}; use Param"});
  } else {
    CheckNew(name);
  }
  const FieldType field_type = FieldTypeOf(type);
  fields_.push_back({.name = std::string(name),
                     .help = std::string(help),
                     .type = field_type,
                     .from_path = false,
                     .required = false,
                     .initial = ZeroValue(field_type)});
  return {this, fields_.size() - 1};
}

void RouteImpl::MarkRequired(FieldId id) {
  DeclaredField* field = Mine(id, "Require");
  if (field == nullptr) return;
  if (field->from_path)
    Mistake({"calls Require for its parameter {", field->name, "}, which every request has"});
  field->required = true;
}

void RouteImpl::SetDefault(FieldId id, std::any value) {
  DeclaredField* field = Mine(id, "Default");
  if (field == nullptr) return;
  if (field->from_path)
    Mistake({"calls Default for its parameter {", field->name, "}, which every request has"});
  if (field->has_default) Mistake({"calls Default for the field \"", field->name, "\" twice"});
  field->initial = std::move(value);
  field->has_default = true;
}

void RouteImpl::MarkSensitive(FieldId id) {
  if (DeclaredField* field = Mine(id, "Sensitive")) field->sensitive = true;
}

void RouteImpl::SetOperations(FieldId id, std::initializer_list<Operation> operations) {
  DeclaredField* field = Mine(id, "For");
  if (field == nullptr) return;
  if (field->from_path)
    Mistake({"calls For for its parameter {", field->name, "}, which every request has"});
  if (operations.size() == 0) Mistake({"calls For without any operation"});
  if (!field->operations.empty()) Mistake({"calls For for the field \"", field->name, "\" twice"});
  field->operations = operations;
}

void RouteImpl::SetAllowed(FieldId id, Json::Array values) {
  DeclaredField* field = Mine(id, "AllowedValues");
  if (field == nullptr) return;
  if (values.empty()) Mistake({"calls AllowedValues for \"", field->name, "\" without any value"});
  if (!field->allowed.empty()) Mistake({"calls AllowedValues for \"", field->name, "\" twice"});
  field->allowed = std::move(values);
}

DeclaredField* RouteImpl::Mine(FieldId id, std::string_view call) {
  CheckDescribing();
  if (id.route == this) return &fields_[id.index];
  const auto& other = *static_cast<const RouteImpl*>(id.route);
  Mistake(
      {"calls ", call, " for the field \"", other.fields_[id.index].name, "\" of ", other.title()});
  return nullptr;
}

}  // namespace belfry::internal
