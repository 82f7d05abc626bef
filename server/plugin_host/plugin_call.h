#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/steady_time.h"
#include "proto/vault/backend.pb.h"
#include "server/mounts/engine.h"
#include "server/plugin_host/instance_slot.h"
#include "server/plugin_host/stored_requests.h"

namespace belfry::plugin_host {

// A request on its way to a plugin.
struct PluginRequest {
  pb::Request message;
  SteadyTime deadline;
  // As mounts::Request has it; asked before each RPC that goes out later than a moment after this.
  std::function<bool(std::string_view data)> still_allowed;
  SteadyTime allowed_at = SteadyTime::Now();
  // Of the mount; knows what was stored for the request.
  std::shared_ptr<StoredRequests> stored_requests;
};

// One request as one RPC to the plugin that a slot has, whose instances are PluginInstances. None
// blocks; `done` runs exactly once, codes as of mounts::Engine. The slot waits for its calls when
// it is stopped. (plugin-protocol 5, 6.4)
//
// An RPC that a broken connection interrupts is sent once more, to the instance that has taken the
// place of the one that died, unless something has been stored for the request: then it fails with
// 409, which says so, and which clients do not repeat by themselves as they do 5xx. If the second
// breaks, too, the request fails. An instance that has died
// while nothing was asked of it costs a request none of its two attempts. What is cancelled, or not
// answered by the deadline, is not sent again.

void CallHandleRequest(InstanceSlot* slot, PluginRequest request,
                       absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done);
void CallExistenceCheck(InstanceSlot* slot, PluginRequest request,
                        absl::AnyInvocable<void(absl::StatusOr<mounts::Existence>)> done);
// A plugin that does not know this call gets the other two, one after the other.
void CallWrite(InstanceSlot* slot, PluginRequest request,
               absl::AnyInvocable<void(absl::StatusOr<mounts::Reply>)> done);

}  // namespace belfry::plugin_host
