#pragma once

#include "proto/vault/backend.pb.h"
#include "server/mounts/engine.h"

namespace belfry::plugin_host {

// Between the host's requests and answers and those of the plugin protocol. Pure functions.

pb::Request ToProto(mounts::Request request);
// What a plugin answered; its errors get the HTTP status that Vault gives them.
// (plugin-protocol 5.6)
mounts::Reply FromProto(pb::HandleRequestReply reply);
mounts::EngineError FromProto(const pb::ProtoError& error);
// False for an absent error, and for kinds that no host knows: they count as none.
bool IsError(const pb::ProtoError& error);
// What the plugin calls the mistake of whoever asked.
bool IsUserError(const pb::ProtoError& error);

}  // namespace belfry::plugin_host
