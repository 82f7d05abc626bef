#include "server/plugin_host/system_services.h"

#include "proto/vault/backend.grpc.pb.h"
#include "server/plugin_host/unary_call.h"

namespace belfry::plugin_host {
namespace {

using grpc::StatusCode;

// Primary without replication: performance and disaster recovery both disabled.
// (plugin-protocol 5.9)
constexpr int kReplicationDisabled = 4096 + 8192;

class SystemViewService final : public pb::SystemView::CallbackService {
 public:
  explicit SystemViewService(const MountServices* services) : services_(services) {}

  grpc::ServerUnaryReactor* DefaultLeaseTTL(grpc::CallbackServerContext* context, const pb::Empty*,
                                            pb::TTLReply* reply) override {
    reply->set_ttl(absl::ToInt64Nanoseconds(services_->default_lease_ttl));
    return Finish(context);
  }
  grpc::ServerUnaryReactor* MaxLeaseTTL(grpc::CallbackServerContext* context, const pb::Empty*,
                                        pb::TTLReply* reply) override {
    reply->set_ttl(absl::ToInt64Nanoseconds(services_->max_lease_ttl));
    return Finish(context);
  }
  grpc::ServerUnaryReactor* Tainted(grpc::CallbackServerContext* context, const pb::Empty*,
                                    pb::TaintedReply*) override {
    return Finish(context);
  }
  grpc::ServerUnaryReactor* CachingDisabled(grpc::CallbackServerContext* context, const pb::Empty*,
                                            pb::CachingDisabledReply* reply) override {
    reply->set_disabled(services_->caching_disabled);
    return Finish(context);
  }
  grpc::ServerUnaryReactor* ReplicationState(grpc::CallbackServerContext* context, const pb::Empty*,
                                             pb::ReplicationStateReply* reply) override {
    reply->set_state(kReplicationDisabled);
    return Finish(context);
  }
  grpc::ServerUnaryReactor* ResponseWrapData(grpc::CallbackServerContext* context,
                                             const pb::ResponseWrapDataArgs*,
                                             pb::ResponseWrapDataReply* reply) override {
    reply->set_err("response wrapping is not supported by this host");
    return Finish(context);
  }
  grpc::ServerUnaryReactor* MlockEnabled(grpc::CallbackServerContext* context, const pb::Empty*,
                                         pb::MlockEnabledReply*) override {
    return Finish(context);
  }
  grpc::ServerUnaryReactor* LocalMount(grpc::CallbackServerContext* context, const pb::Empty*,
                                       pb::LocalMountReply* reply) override {
    reply->set_local(services_->local);
    return Finish(context);
  }
  // There are no entities: every id is unknown, which is no error.
  grpc::ServerUnaryReactor* EntityInfo(grpc::CallbackServerContext* context,
                                       const pb::EntityInfoArgs*, pb::EntityInfoReply*) override {
    return Finish(context);
  }
  grpc::ServerUnaryReactor* GroupsForEntity(grpc::CallbackServerContext* context,
                                            const pb::EntityInfoArgs*,
                                            pb::GroupsForEntityReply*) override {
    return Finish(context);
  }
  grpc::ServerUnaryReactor* PluginEnv(grpc::CallbackServerContext* context, const pb::Empty*,
                                      pb::PluginEnvReply* reply) override {
    reply->mutable_plugin_environment()->set_vault_version(services_->vault_version);
    return Finish(context);
  }
  grpc::ServerUnaryReactor* GeneratePasswordFromPolicy(
      grpc::CallbackServerContext* context, const pb::GeneratePasswordFromPolicyRequest* request,
      pb::GeneratePasswordFromPolicyReply*) override {
    if (request->policy_name().empty())
      return Finish(context, {StatusCode::INVALID_ARGUMENT, "no password policy specified"});
    return Finish(context, {StatusCode::INTERNAL, "failed to generate password"});
  }
  grpc::ServerUnaryReactor* ClusterInfo(grpc::CallbackServerContext* context, const pb::Empty*,
                                        pb::ClusterInfoReply*) override {
    return Finish(context, {StatusCode::INTERNAL, "failed to fetch cluster id"});
  }
  grpc::ServerUnaryReactor* GenerateIdentityToken(grpc::CallbackServerContext* context,
                                                  const pb::GenerateIdentityTokenRequest*,
                                                  pb::GenerateIdentityTokenResponse*) override {
    return Finish(context, Enterprise());
  }
  grpc::ServerUnaryReactor* GetRotationInformation(grpc::CallbackServerContext* context,
                                                   const pb::RotationInfoRequest*,
                                                   pb::RotationInfoReply*) override {
    return Finish(context, Enterprise());
  }
  grpc::ServerUnaryReactor* RegisterRotationJob(grpc::CallbackServerContext* context,
                                                const pb::RegisterRotationJobRequest*,
                                                pb::RegisterRotationJobResponse*) override {
    return Finish(context, Enterprise());
  }
  grpc::ServerUnaryReactor* RegisterRotationJobWithResponse(
      grpc::CallbackServerContext* context, const pb::RegisterRotationJobRequest*,
      pb::RegisterRotationJobWithResponseReply*) override {
    return Finish(context, Enterprise());
  }
  grpc::ServerUnaryReactor* DeregisterRotationJob(grpc::CallbackServerContext* context,
                                                  const pb::DeregisterRotationJobRequest*,
                                                  pb::Empty*) override {
    return Finish(context, Enterprise());
  }

 private:
  static grpc::Status Enterprise() { return {StatusCode::INTERNAL, "enterprise only feature"}; }
  const MountServices* const services_;
};

class ObservationsService final : public pb::Observations::CallbackService {
  grpc::ServerUnaryReactor* RecordObservation(grpc::CallbackServerContext* context,
                                              const pb::RecordObservationRequest*,
                                              pb::Empty*) override {
    return Finish(context);
  }
};

}  // namespace

std::unique_ptr<grpc::Service> NewSystemViewService(const MountServices* services) {
  return std::make_unique<SystemViewService>(services);
}

std::unique_ptr<grpc::Service> NewObservationsService() {
  return std::make_unique<ObservationsService>();
}

}  // namespace belfry::plugin_host
