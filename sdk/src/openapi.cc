#include "sdk/src/openapi.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/ascii.h"
#include "base/text.h"

namespace belfry::internal {
namespace {

constexpr char kOpenApiVersion[] = "3.0.2";
// Of the HTTP API that the paths belong to: /v1/…
constexpr char kApiVersion[] = "v1";

// Whether one of these special paths means all that this template does.
bool Covered(const std::vector<std::string>& patterns, std::string_view path) {
  return std::any_of(patterns.begin(), patterns.end(), [path](std::string_view pattern) {
    if (!pattern.ends_with('*')) return pattern == path;
    return path.starts_with(pattern.substr(0, pattern.size() - 1));
  });
}

Json TypeSchema(FieldType type) {
  const auto typed = [](const char* name, const char* format = nullptr) {
    Json::Object schema{{"type", name}};
    if (format != nullptr) schema["format"] = format;
    return schema;
  };
  switch (type) {
    case FieldType::kString:
      return typed("string");
    case FieldType::kInt64:
      return typed("integer", "int64");
    case FieldType::kDouble:
      return typed("number");
    case FieldType::kBool:
      return typed("boolean");
    case FieldType::kDuration:
      return typed("string", "duration");
    case FieldType::kTime:
      return typed("string", "date-time");
    case FieldType::kStringList:
      return Json::Object{{"type", "array"}, {"items", typed("string")}};
    case FieldType::kInt64List:
      return Json::Object{{"type", "array"}, {"items", typed("integer", "int64")}};
    case FieldType::kStringMap:
      return Json::Object{{"type", "object"}, {"additionalProperties", typed("string")}};
    case FieldType::kObject:
      return typed("object");
    case FieldType::kJson:
      return Json::Object();
  }
  return Json::Object();
}

// The type with what is allowed of it.
Json ValueSchema(const DeclaredField& field) {
  Json schema = TypeSchema(field.type);
  if (field.allowed.empty()) return schema;
  Json::Object& members = *schema.if_object();
  const auto items = members.find("items");
  Json::Object& of = items == members.end() ? members : *items->second.if_object();
  of["enum"] = field.allowed;
  return schema;
}

Json Schema(const DeclaredField& field) {
  Json schema = ValueSchema(field);
  Json::Object& members = *schema.if_object();
  members["description"] = field.help;
  if (field.has_default) members["default"] = FieldToJson(field.initial, field.type);
  if (field.sensitive) members["x-vault-displayAttrs"] = Json::Object{{"sensitive", true}};
  return schema;
}

Json Parameter(const DeclaredField& field, const char* in, bool required) {
  Json::Object parameter{{"name", field.name},
                         {"in", in},
                         {"description", field.help},
                         {"schema", ValueSchema(field)}};
  if (required) parameter["required"] = true;
  return parameter;
}

Json PathParameters(const RouteImpl& route) {
  Json::Array parameters;
  for (const std::string& name : route.parameters()) {
    const DeclaredField* declared = route.FindField(name);
    parameters.push_back(
        Parameter(declared != nullptr ? *declared : DeclaredField{.name = name, .from_path = true},
                  "path", true));
  }
  return parameters;
}

// The parameter by which GET asks for a list.
Json ListParameter(const RouteImpl& route) {
  const bool only_lists = !route.Handles(Operation::kRead);
  Json::Object schema{{"type", "string"}};
  if (only_lists) schema["enum"] = Json::Array{"true"};
  return Json::Object{{"name", "list"},
                      {"in", "query"},
                      {"description", "Return a list if `true`"},
                      {"required", only_lists},
                      {"schema", std::move(schema)}};
}

// The fields that one of these operations takes.
std::vector<const DeclaredField*> FieldsFor(const RouteImpl& route,
                                            std::initializer_list<Operation> operations) {
  std::vector<const DeclaredField*> fields;
  for (const DeclaredField& field : route.fields()) {
    const bool belongs =
        std::any_of(operations.begin(), operations.end(), [&](Operation operation) {
          return route.Handles(operation) && route.Belongs(field, operation);
        });
    if (belongs && !field.from_path) fields.push_back(&field);
  }
  return fields;
}

void SetQuery(const RouteImpl& route, std::initializer_list<Operation> operations,
              Json::Object& object) {
  Json::Array parameters;
  for (const DeclaredField* field : FieldsFor(route, operations)) {
    const bool always = std::all_of(operations.begin(), operations.end(), [&](Operation operation) {
      return !route.Handles(operation) || route.Belongs(*field, operation);
    });
    parameters.push_back(Parameter(*field, "query", field->required && always));
  }
  const bool get = operations.size() > 1;
  if (get && route.Handles(Operation::kList)) parameters.push_back(ListParameter(route));
  if (!parameters.empty()) object["parameters"] = std::move(parameters);
}

Json BodySchema(const RouteImpl& route, std::initializer_list<Operation> operations) {
  Json::Object properties;
  Json::Array required;
  for (const DeclaredField* field : FieldsFor(route, operations)) {
    properties[field->name] = Schema(*field);
    if (field->required && *operations.begin() != Operation::kPatch)
      required.emplace_back(field->name);
  }
  Json::Object schema{{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  if (route.accepts_any_field()) schema["additionalProperties"] = true;
  return schema;
}

std::string OperationId(std::string_view verb, std::string_view path) {
  std::string id(verb);
  bool in_word = false;
  for (const char c : path) {
    const bool is_word = absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
    if (is_word && !in_word) id += '-';
    if (is_word) id += c;
    in_word = is_word;
  }
  return id;
}

Json::Object OperationObject(const RouteImpl& route, std::string_view verb, const char* status) {
  const Json::Object outcome{
      {"description", std::string_view(status) == "204" ? "empty body" : "OK"}};
  return {{"summary", route.summary()},
          {"operationId", OperationId(verb, route.path_template())},
          {"responses", Json::Object{{status, outcome}}}};
}

Json::Object WithBody(const RouteImpl& route, std::initializer_list<Operation> operations,
                      std::string_view verb, const char* content_type) {
  Json::Object object = OperationObject(route, verb, "200");
  object["requestBody"] = Json::Object{
      {"required", true},
      {"content",
       Json::Object{{content_type, Json::Object{{"schema", BodySchema(route, operations)}}}}}};
  return object;
}

Json::Object PathItem(const RouteImpl& route, const SpecialPaths& special_paths) {
  Json::Object item{{"description", route.summary()}};
  if (!route.parameters().empty()) item["parameters"] = PathParameters(route);
  if (Covered(special_paths.unauthenticated, route.path_template()))
    item["x-vault-unauthenticated"] = true;
  if (Covered(special_paths.root, route.path_template())) item["x-vault-sudo"] = true;
  if (route.Creates()) item["x-vault-createSupported"] = true;

  const bool reads = route.Handles(Operation::kRead);
  if (reads || route.Handles(Operation::kList)) {
    Json::Object get = OperationObject(route, reads ? "read" : "list", "200");
    SetQuery(route, {Operation::kRead, Operation::kList}, get);
    item["get"] = std::move(get);
  }
  if (route.Writable()) {
    item["post"] =
        WithBody(route, {Operation::kCreate, Operation::kUpdate}, "write", "application/json");
  }
  if (route.Handles(Operation::kPatch)) {
    item["patch"] = WithBody(route, {Operation::kPatch}, "patch", "application/merge-patch+json");
  }
  if (route.Handles(Operation::kDelete)) {
    Json::Object erase = OperationObject(route, "delete", "204");
    SetQuery(route, {Operation::kDelete}, erase);
    item["delete"] = std::move(erase);
  }
  return item;
}

}  // namespace

Json OpenApiDocument(const std::vector<const RouteImpl*>& routes, std::string_view description,
                     const SpecialPaths& special_paths) {
  Json::Object paths;
  for (const RouteImpl* route : routes) {
    if (route->path_template().empty() && !route->pattern().empty()) continue;
    paths.try_emplace("/" + route->path_template(), PathItem(*route, special_paths));
  }
  return Json::Object{{"openapi", kOpenApiVersion},
                      {"info", Json::Object{{"title", "Belfry API"},
                                            {"description", description},
                                            {"version", kApiVersion}}},
                      {"paths", std::move(paths)}};
}

}  // namespace belfry::internal
