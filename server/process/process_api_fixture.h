#pragma once

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/testing.h"
#include "server/process/process_api.h"
#include "server/seal/testing.h"
#include "server/storage/physical_storage.h"

namespace belfry::process {

namespace json = boost::json;

inline constexpr char kRootToken[] = "hvs.0123456789abcdefghijklmn";

// Its core is a flag.
class FakeLifecycle final : public Lifecycle {
 public:
  absl::Status core_start;
  // As while the core starts or stops.
  bool between = false;

  explicit FakeLifecycle(const seal::AutoSeal* auto_seal = nullptr)
      : seal_(*seal::SealManager::Open(&below_, &clock_, auto_seal)) {}

  Status status() const override {
    Status status{.seal = seal_->status()};
    status.serving = !status.seal.sealed() && !between;
    if (status.serving) status.names = {.cluster_name = "name", .cluster_id = "id"};
    return status;
  }
  absl::StatusOr<Initialized> Initialize(const seal::SealConfiguration& configuration) override {
    auto shares = seal_->Initialize(configuration, [] { return absl::OkStatus(); });
    if (!shares.ok()) return shares.status();
    return Initialized{.shares = *std::move(shares), .root_token = kRootToken};
  }
  absl::StatusOr<Status> Unseal(seal::SecretBytes share) override {
    return Serve(seal_->Unseal(std::move(share)));
  }
  absl::StatusOr<Status> UnsealByItself() override { return Serve(seal_->UnsealByItself()); }
  absl::StatusOr<Status> Serve(const absl::StatusOr<seal::SealManager::Status>& unsealed) {
    if (!unsealed.ok()) return unsealed.status();
    if (!unsealed->sealed() && !core_start.ok()) {
      seal_->Seal();
      return core_start;
    }
    return status();
  }
  void ResetUnseal() override { seal_->ResetUnseal(); }
  void Seal() override { seal_->Seal(); }
  absl::StatusOr<std::string> NewRootToken(const seal::RootGeneration::Permit&) override {
    return kRootToken;
  }
  seal::Rekey& rekey() override { return seal_->rekey(); }
  seal::RootGeneration& root_generation() override { return seal_->root_generation(); }

 private:
  FakeClock clock_{absl::FromUnixSeconds(1795873033)};
  seal::OpenStorage below_;
  const std::unique_ptr<seal::SealManager> seal_;
};

// Says what it was asked.
class NextApi final : public api::Api {
 public:
  // What the sender may have the process do.
  std::optional<std::variant<api::SealServer, api::SaveSnapshot>> allowed;
  void Handle(api::HttpRequest request, api::Respond respond) override {
    if (allowed) {
      return std::visit([&respond](auto what) { respond(what); }, *allowed);
    }
    respond(api::HttpResponse{.status = 418, .body = request.path});
  }
  std::optional<api::HttpResponse> RefuseEarly(const api::HttpRequest&,
                                               std::uint64_t) const override {
    return api::HttpResponse{.status = 418};
  }
};

class ProcessApiTest : public ::testing::Test {
 protected:
  explicit ProcessApiTest(const seal::AutoSeal* auto_seal = nullptr) : lifecycle_(auto_seal) {}

  api::HttpResponse Send(std::string method, std::string path, std::string body = "") {
    api::HttpRequest request{.method = std::move(method), .body = std::move(body)};
    if (const std::size_t at = path.find('?'); at != std::string::npos) {
      const std::size_t equals = path.find('=', at);
      request.query.emplace_back(path.substr(at + 1, equals - at - 1), path.substr(equals + 1));
      path.resize(at);
    }
    request.path = "/v1/" + path;
    return SendRequest(std::move(request));
  }
  api::HttpResponse SendRequest(api::HttpRequest request) {
    std::promise<api::HttpResponse> answer;
    process_.Handle(std::move(request), [&answer](api::Outcome outcome) {
      answer.set_value(std::get<api::HttpResponse>(std::move(outcome)));
    });
    return answer.get_future().get();
  }
  // "400 text" of an error.
  std::string Error(const api::HttpResponse& answer) {
    const json::value body = json::parse(answer.body);
    return std::to_string(answer.status) + " " +
           std::string(body.at("errors").as_array().at(0).as_string());
  }
  json::object Json(const api::HttpResponse& answer) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body).as_object();
  }
  static std::string Text(const json::object& object, const char* name) {
    return std::string(object.at(name).as_string());
  }

  std::vector<std::string> Initialize(const char* members = "keys") {
    const json::object made =
        Json(Send("PUT", "sys/init", R"({"secret_shares":3,"secret_threshold":2})"));
    EXPECT_EQ(Text(made, "root_token"), kRootToken);
    return KeysIn(made, members);
  }
  static std::vector<std::string> KeysIn(const json::object& answer, const char* members = "keys") {
    std::vector<std::string> keys;
    for (const json::value& key : answer.at(members).as_array()) {
      keys.emplace_back(key.as_string());
    }
    return keys;
  }
  json::object Unseal(const std::string& key) {
    return Json(Send("PUT", "sys/unseal", R"({"key":")" + key + R"("})"));
  }
  // Initialized and unsealed; the shares.
  std::vector<std::string> Serve() {
    std::vector<std::string> keys = Initialize();
    Unseal(keys[0]);
    EXPECT_FALSE(Unseal(keys[2]).at("sealed").as_bool());
    return keys;
  }

  FakeClock clock_{absl::FromUnixSeconds(1795873033)};
  NextApi next_;
  FakeLifecycle lifecycle_;
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  FakeScheduler scheduler_{&clock_};
  const std::unique_ptr<storage::PhysicalStorage> stored_ = storage::NewInMemoryPhysicalStorage();
  StorageHealth storage_{metrics_.get(), Logger()};
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  ProcessApi process_{&next_,
                      &lifecycle_,
                      {.clock = &clock_,
                       .version = "1.21.0",
                       .storage_type = "inmem",
                       .storage = &storage_,
                       .stored = stored_.get(),
                       .metrics = metrics_.get()},
                      &scheduler_,
                      Logger(log_, "core"),
                      Limits()};
};

}  // namespace belfry::process
