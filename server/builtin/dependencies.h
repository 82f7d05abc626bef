#pragma once

#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "server/access/authorizer.h"
#include "server/access/cubbyholes.h"
#include "server/access/policy_store.h"
#include "server/access/role_store.h"
#include "server/access/token_store.h"
#include "server/mounts/lease_manager.h"
#include "server/mounts/mount_manager.h"
#include "server/mounts/plugin_catalog.h"
#include "server/mounts/router.h"
#include "server/seal/barrier.h"
#include "server/subscriptions/subscriptions.h"

namespace belfry::builtin {

// What requests are answered with; every pointer must outlive the answers.
struct Dependencies {
  const access::Authorizer* authorizer = nullptr;
  access::PolicyStore* policies = nullptr;
  access::TokenStore* tokens = nullptr;
  access::RoleStore* roles = nullptr;
  access::Cubbyholes* cubbyholes = nullptr;
  const mounts::MountRouter* router = nullptr;  // To find mounts.
  mounts::MountManager* mounts = nullptr;       // To change them.
  mounts::PluginCatalog* catalog = nullptr;
  mounts::LeaseManager* leases = nullptr;
  seal::Barrier* barrier = nullptr;  // Below all of them.
  subscriptions::Environment subscriptions;
  const Clock* clock = nullptr;
  // For what asks storage (tokens, roles, policies, cubbyholes), explains policies, opens a
  // subscription, reads a large body or puts the rules of a token together. Where it takes no more,
  // the answer is 503; only the end of a token on its last use always finds room. Nothing that
  // waits for a plugin or a mount runs here: a revocation must not wait behind it.
  Executor* executor = nullptr;
  // For what may wait for a plugin to start, answer or stop: mounts, registrations, reloads. Where
  // it takes no more, the answer is 503.
  Executor* plugin_executor = nullptr;
  // For what takes long by itself, policies explained rule by rule: others wait only for others of
  // that. Where it takes no more, the answer is 503.
  Executor* explain_executor = nullptr;
  Scheduler* scheduler = nullptr;
  Metrics* metrics = nullptr;
  Limits limits;
  std::string version;      // As in sys/health.
  std::string api_address;  // Where clients reach this server.
  Logger logger;
};

}  // namespace belfry::builtin
