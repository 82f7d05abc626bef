#include "sdk/src/help.h"

#include "absl/strings/str_join.h"
#include "base/text.h"

namespace belfry::internal {
namespace {

constexpr Operation kOperations[] = {Operation::kRead,   Operation::kList,  Operation::kCreate,
                                     Operation::kUpdate, Operation::kPatch, Operation::kDelete};

// "read, list": those of all operations that `counts`.
template <typename Counts>
std::string OperationNames(Counts counts) {
  std::vector<std::string> names;
  for (const Operation operation : kOperations) {
    if (counts(operation)) names.emplace_back(OperationName(operation));
  }
  return absl::StrJoin(names, ", ");
}

std::string FieldText(const DeclaredField& field) {
  std::string text =
      Concat({"    ", field.name, " (", FieldTypeName(field.type),
              field.from_path ? ", part of the path" : "", field.required ? ", required" : "",
              field.sensitive ? ", sensitive" : "", ")\n"});
  if (!field.help.empty()) text += Concat({"        ", field.help, "\n"});
  if (!field.allowed.empty()) text += Concat({"        One of: ", AllowedText(field), "\n"});
  if (!field.operations.empty()) {
    const std::string names = OperationNames(
        [&field](Operation operation) { return field.operations.contains(operation); });
    text += Concat({"        Only for: ", names, "\n"});
  }
  if (field.has_default) {
    text += Concat({"        Default: ", FieldToJson(field.initial, field.type).Dump(), "\n"});
  }
  return text;
}

std::string FieldsText(const RouteImpl& route) {
  std::string text;
  for (const std::string& name : route.parameters()) {
    if (route.FindField(name) == nullptr)
      text += "\n" + FieldText(DeclaredField{.name = name, .from_path = true});
  }
  for (const DeclaredField& field : route.fields()) text += "\n" + FieldText(field);
  if (route.accepts_any_field()) text += "\n    Any other field is accepted, too.\n";
  return text;
}

std::string OperationsText(const RouteImpl& route) {
  return OperationNames([&route](Operation operation) { return route.Handles(operation); });
}

}  // namespace

std::string HelpOfPath(const RouteImpl& route, std::string_view path) {
  std::string text =
      Concat({"Request:        ", path, "\nMatching route: ", route.pattern(),
              "\nOperations:     ", OperationsText(route), "\n\n", route.summary(), "\n"});
  if (const std::string fields = FieldsText(route); !fields.empty())
    text += Concat({"\n## PARAMETERS\n", fields});
  if (!route.details().empty()) text += Concat({"\n## DESCRIPTION\n\n", route.details(), "\n"});
  return text;
}

std::string HelpOfEngine(const std::vector<const RouteImpl*>& routes,
                         std::string_view description) {
  std::string text;
  if (!description.empty()) text += Concat({"## DESCRIPTION\n\n", description, "\n\n"});
  text += "## PATHS\n\nWithout the mount; help on each of them tells its fields.\n";
  for (const RouteImpl* route : routes) {
    text += Concat({"\n    ", route->pattern(), "\n        ", route->summary(), "\n"});
  }
  return text;
}

}  // namespace belfry::internal
