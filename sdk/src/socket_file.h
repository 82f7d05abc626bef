#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace belfry::internal {

// A fresh path for a unix socket; removes the file when it goes. (plugin-protocol 1.5)
// Used by one thread.
class SocketFile final {
 public:
  // "plugin" and random digits in `directory`, as hosts expect. NotFound when there is no such
  // directory; InvalidArgument when the path would be longer than the 107 bytes that sockets allow,
  // or hold a '|', which the handshake line cannot carry.
  static absl::StatusOr<std::unique_ptr<SocketFile>> In(const std::string& directory);
  ~SocketFile();
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;

  const std::string& path() const { return path_; }
  // Once something listens: gives the file to this group (a name or a number) and lets only owner
  // and group use it. NotFound when there is no such group; PermissionDenied when it may not.
  absl::Status GiveToGroup(const std::string& group) const;

 private:
  explicit SocketFile(std::string path) : path_(std::move(path)) {}
  const std::string path_;
};

}  // namespace belfry::internal
