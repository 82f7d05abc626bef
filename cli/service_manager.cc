#include "cli/service_manager.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>

namespace belfry::cli {

ServiceManager::ServiceManager() {
  const char* const socket = getenv("NOTIFY_SOCKET");
  if (socket != nullptr) socket_ = socket;
  unsetenv("NOTIFY_SOCKET");
}

void ServiceManager::Tell(std::string_view state) const {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  socket_.copy(address.sun_path, socket_.size());
  // '@' stands for the zero byte before an abstract name.
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  (void)sendto(descriptor, state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size()));
  close(descriptor);
}

}  // namespace belfry::cli
