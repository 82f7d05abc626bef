#pragma once

#include <string>
#include <string_view>

namespace belfry::cli {

// Tells the service manager that started this process, if it asked for that, how the service is
// doing: datagrams to the socket in NOTIFY_SOCKET (sd_notify(3)). What it does not take is lost;
// the server works without it.
class ServiceManager {
 public:
  // Takes the variable out of the environment, so that plugins do not inherit it: no other thread
  // may run yet.
  ServiceManager();

  void Ready() const { Tell("READY=1"); }
  void Reloading() const { Tell("RELOADING=1"); }
  void Stopping() const { Tell("STOPPING=1"); }

 private:
  void Tell(std::string_view state) const;

  std::string socket_;  // Empty: nobody asked.
};

}  // namespace belfry::cli
