#include "counter.h"

#include <cstdint>
#include <string>

namespace {

// Keeps state of its own beside what storage keeps.
class Counter {
 public:
  explicit Counter(belfry::Engine& engine) {
    belfry::Route& counter = engine.Path("counters/{name}", "One counter.");
    const auto by = counter.Field<std::int64_t>("by", "How much to add.");
    counter.Default(by, std::int64_t{1});
    counter.OnRead([this](belfry::Request& req) { return Read(req); });
    counter.OnWrite([this, by](belfry::Request& req) { return Add(req, req[by]); });
  }

 private:
  belfry::Result Read(belfry::Request& req) const {
    BELFRY_ASSIGN_OR_RETURN(auto stored, req.storage().Get(req.path()));
    if (!stored) return belfry::Response::NotFound();
    return belfry::Response::Data({{"count", belfry::Json::Number{*stored}}});
  }

  belfry::Result Add(belfry::Request& req, std::int64_t by) const {
    BELFRY_ASSIGN_OR_RETURN(auto stored, req.storage().Get(req.path()));
    const std::int64_t sum = std::stoll(stored.value_or("0")) + by;
    BELFRY_RETURN_IF_ERROR(req.storage().Put(req.path(), std::to_string(sum)));
    return belfry::Response::NoContent();
  }
};

}  // namespace

void DefineCounter(belfry::Engine& engine) {
  engine.Keep<Counter>();
}
