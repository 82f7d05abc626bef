#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "belfry/engine.h"

namespace belfry::internal {

// What one mount gives its engine. The pointers must outlive the instance.
struct MountContext {
  std::map<std::string, std::string> options;
  std::string backend_uuid;
  Storage* storage = nullptr;
  EventSender* events = nullptr;
  std::function<absl::Time()> now;
};

// A request as it came over the wire or from a test, with nothing of the transport left.
struct IncomingRequest {
  std::string operation;  // Vault's word: "create", "read", "update", "patch", "delete", "list",
                          // "help", "rollback" …
  std::string path;
  Json::Object data;
  Caller caller;
  absl::Time deadline = absl::InfiniteFuture();
  std::function<bool()> cancelled;
  Storage* storage = nullptr;  // The request's own, with its deadline and cancellation.
  EventSender* events = nullptr;
};

// What kind of failure an answer is, beyond its text; the numbers of ProtoError.err_type.
// (plugin-protocol 5.6)
enum class ErrorType {
  kUnknown = 0,
  kCoded = 3,
  kUnsupportedOperation = 5,
  kUnsupportedPath = 6,
  kInvalidRequest = 7,
  kPermissionDenied = 8,
};

struct OutgoingError {
  ErrorType type = ErrorType::kUnknown;
  std::string message;
  int http_status = 0;  // For kCoded.
};

// Neither: there is no such thing (404 for reads and lists, 204 for writes).
struct OutgoingReply {
  std::optional<Response> response;
  std::optional<OutgoingError> error;
};

struct SpecialPaths {
  std::vector<std::string> root;
  std::vector<std::string> unauthenticated;
  std::vector<std::string> seal_wrap;
};

// One mount's engine, described by the plugin and ready to answer; knows no transport. Thread-safe
// once created.
class EngineInstance {
 public:
  // Runs `define`. InvalidArgument when what it describes is mistaken (a parameter that its pattern
  // lacks, a pattern that does not parse).
  static absl::StatusOr<std::unique_ptr<EngineInstance>> Create(void (*define)(SecretsEngine&),
                                                                MountContext context);
  virtual ~EngineInstance() = default;

  virtual OutgoingReply Handle(IncomingRequest request) = 0;
  // nullopt: nothing here tells create from update (no route, or no write handler).
  virtual absl::StatusOr<std::optional<bool>> CheckExistence(IncomingRequest request) = 0;
  virtual absl::Status Initialize() = 0;
  virtual void Cleanup() = 0;
  virtual SpecialPaths special_paths() const = 0;
};

}  // namespace belfry::internal
