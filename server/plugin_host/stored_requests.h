#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace belfry::plugin_host {

// Which of the requests that are under way at a mount's plugin have stored something, so that none
// of these is sent a second time. Plugins name the request with what they store for it (the SDK's
// do); of the others nothing is known. Thread-safe.
class StoredRequests {
 public:
  // A request is under way as long as this is kept. Of one without an id, or where `all` is null,
  // nothing is known.
  class UnderWay {
   public:
    UnderWay(std::shared_ptr<StoredRequests> all, std::string id);
    ~UnderWay();
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;

    // Whether something is stored for it, or being stored.
    bool HasStored() const;

   private:
    const std::shared_ptr<StoredRequests> all_;
    const std::string id_;
  };

  // Something is being stored for the request, if it is under way.
  void Begin(std::string_view id);
  // It could not be stored.
  void Fail(std::string_view id);

 private:
  Mutex mutex_;
  struct Request {
    int calls = 0;  // Of it that are under way: the next may begin before the last is over.
    int stored = 0;
  };
  std::map<std::string, Request, std::less<>> requests_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::plugin_host
